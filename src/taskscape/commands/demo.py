"""``taskscape demo``."""

from collections.abc import Sequence
from pathlib import Path

import tyro

from taskscape.commands.train import fresh_folder, print_outcome, resumable


def main(arguments: Sequence[str]) -> None:
    tyro.cli(demo, args=arguments, prog="taskscape demo")


def demo(*, out: Path | None = None, minutes: float = 4.5) -> None:
    """Make streets, train a small network, evaluate it, write the report. Nothing is downloaded.

    Args:
        out: Folder of the run; by default runs/demo-N.
        minutes: Time to train for.
    """
    if not minutes > 0:
        raise ValueError(f"--minutes {minutes}: it must be more than 0")
    from taskscape.demo import demo as train_demo

    run = fresh_folder(out, "demo")
    with resumable(run):
        print_outcome(run, train_demo(run, minutes))
