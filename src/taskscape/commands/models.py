"""``taskscape models``."""

from collections.abc import Iterator
from typing import Annotated, Any

import tyro
from rich.console import Console
from rich.progress import track
from rich.table import Table
from rich.text import Text

from taskscape.commands.encoders import require_encoder

SIZE = (128, 256)
"""Height and width of the image for which FLOPs are counted."""

MOST_CHANNELS = 2**16
"""Maximum number of output channels of a task."""

Tasks = Annotated[tuple[str, ...], tyro.conf.arg(metavar="TASK=N ...")]


def models(*, tasks: Tasks = (), encoder: str | None = None, released: bool = False) -> None:
    """List the networks with their parameter counts, and FLOPs for a 128x256 image (a multiply-add counts as two).

    Args:
        tasks: Output channels per task, such as semseg=19 depth=1 normals=3; by default semseg=19 depth=1.
        encoder: Any timm encoder, for networks whose encoder can be chosen; by default the one of each network.
        released: List the trained models that come with taskscape instead.
    """
    if released:
        if tasks or encoder is not None:
            raise ValueError("--released lists trained models: leave out --tasks and --encoder")
        _print_released()
        return
    channels: dict[str, int] = {}
    for text in tasks:
        task, number = _parse_channels(text)
        if task in channels:
            raise ValueError(f"--tasks {text}: {task} is given twice, leave one out")
        channels[task] = number
    if encoder is not None:
        require_encoder(encoder, "--encoder")
    table = Table(box=None, padding=(0, 2))
    table.add_column("network", overflow="fold")
    table.add_column("parameters", justify="right")
    table.add_column("FLOPs", justify="right")
    table.add_column("paper")
    for name, parameters, flops, text in (
        _measured_networks(channels, encoder) if channels or encoder is not None else _described_networks()
    ):
        counts = (f"{parameters / 1e6:.2f} M", f"{flops / 1e9:.2f} G") if parameters else ("–", "–")
        table.add_row(Text(name, "bold"), *counts, text)
    Console(highlight=False, markup=False).print(table)  # names chosen by users may contain brackets


def _print_released() -> None:
    from taskscape.released import find, in_words, listing, names

    console = Console(highlight=False, markup=False)
    if not names():
        console.print("no model comes with this version of taskscape")
    for name in names():
        model = listing(find(name))
        table = Table(box=None, padding=(0, 2), show_header=False)
        table.add_row("tasks", ", ".join(model.tasks))
        table.add_row("size", f"{model.bytes / 1e6:.1f} MB, {model.parameters / 1e6:.2f} M parameters")
        table.add_row("trained on", model.trained_on)
        table.add_row("for", model.expects)
        table.add_row("metrics", "\n".join(in_words(title, by_split) for title, by_split in model.metrics.items()))
        table.add_row("license", model.license)
        console.print(Text(name, "bold"), table, sep="\n")


def _described_networks() -> Iterator[tuple[str, int, int, str]]:
    """Yield the networks with their default settings from their descriptions, without building them."""
    from taskscape.commands.described import described

    for name, entry in described()["models"].items():
        yield name, entry["parameters"], entry["flops"], entry["paper"]


def _measured_networks(channels: dict[str, int], encoder: str | None) -> Iterator[tuple[str, int, int, str]]:
    """Build and count every network; yield 0 and the reason for one that does not support the tasks or the encoder."""
    from taskscape.models import CONFIGS, EncoderConfig
    from taskscape.recipes import EXAMPLE_CHANNELS

    for name, config in track(CONFIGS.items(), "measuring", console=Console(stderr=True), transient=True):
        options = {"encoder": encoder} if encoder and issubclass(config, EncoderConfig) else {}
        try:
            parameters, flops = cost(config, channels or EXAMPLE_CHANNELS, options)
        except ValueError as error:
            yield name, 0, 0, str(error)
        else:
            yield name, parameters, flops, config.paper


def _parse_channels(text: str) -> tuple[str, int]:
    from taskscape.files.paths import is_file_name

    task, _, number = text.partition("=")
    if not (is_file_name(task) and "." not in task and number.isdecimal() and 0 < int(number) <= MOST_CHANNELS):
        raise ValueError(
            f"--tasks {text}: give each task a name and its number of output channels, 1 to {MOST_CHANNELS}, such as "
            "semseg=19"
        )
    return task, int(number)


def cost(config: Any, channels: dict[str, int], chosen: dict[str, Any]) -> tuple[int, int]:
    """Return the parameter count of a network, and its FLOPs for an image of ``SIZE``."""
    from taskscape.models.layers.meta import without_numbers
    from taskscape.runs import flops

    with without_numbers():
        network = config(**chosen).build(channels).eval().requires_grad_(False)
        return sum(p.numel() for p in network.parameters()), flops(network, SIZE)
