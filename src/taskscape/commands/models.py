"""``taskscape models``."""

from collections.abc import Sequence
from typing import Any

import tyro
from rich.console import Console
from rich.progress import track
from rich.table import Table

SIZE = (128, 256)
"""Height and width of the image whose FLOPs are counted."""


def main(arguments: Sequence[str]) -> None:
    tyro.cli(print_models, args=arguments, prog="taskscape models")


def print_models(*, tasks: tuple[str, ...] = (), encoder: str | None = None) -> None:
    """List the networks with their parameters, and FLOPs for an image of 128×256 (a multiply-add is two).

    Args:
        tasks: Output channels per task, such as semseg=19 depth=1 normals=3; by default semseg=19 depth=1.
        encoder: Encoder of the networks that have a choice, any timm encoder; by default each its own.
    """
    channels = dict(_channels(text) for text in tasks)

    from taskscape.models import CONFIGS
    from taskscape.recipes import EXAMPLE_CHANNELS

    table = Table(box=None, padding=(0, 2))
    table.add_column("network")
    table.add_column("parameters", justify="right")
    table.add_column("FLOPs", justify="right")
    table.add_column("paper")
    for name, config in track(CONFIGS.items(), "measuring", console=Console(stderr=True), transient=True):
        chosen = {"encoder": encoder} if encoder and hasattr(config, "encoder") else {}
        try:
            parameters, flops = cost(config, channels or EXAMPLE_CHANNELS, chosen)
        except ValueError as error:  # of a network that these tasks or this encoder do not fit
            table.add_row(f"[bold]{name}[/]", "–", "–", str(error))
            continue
        table.add_row(f"[bold]{name}[/]", f"{parameters / 1e6:.2f} M", f"{flops / 1e9:.2f} G", config.paper)
    Console(highlight=False).print(table)


def _channels(text: str) -> tuple[str, int]:
    task, _, number = text.partition("=")
    if not number.isdecimal() or int(number) == 0:
        raise ValueError(f"--tasks {text}: give each task its number of output channels, such as semseg=19")
    return task, int(number)


def cost(config: Any, channels: dict[str, int], chosen: dict[str, Any]) -> tuple[int, int]:
    """Return the parameters of a network, and the FLOPs of an image of ``SIZE``."""
    import torch

    from taskscape.runs import flops

    with torch.device("meta"):  # shapes without numbers: nothing is computed
        network = config(**chosen).build(channels).eval().requires_grad_(False)
        return sum(p.numel() for p in network.parameters()), flops(network, SIZE)
