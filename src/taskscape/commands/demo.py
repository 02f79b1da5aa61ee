"""``taskscape demo``."""

from collections.abc import Sequence
from pathlib import Path

import tyro

from taskscape.commands.shared import if_interrupted


def main(arguments: Sequence[str]) -> None:
    """Parse, call, print."""
    tyro.cli(demo, args=arguments, prog="taskscape demo")


def demo(*, out: Path | None = None, minutes: float = 5.0) -> None:
    """Make streets, train a small network, evaluate it, write the report. Nothing is downloaded.

    Args:
        out: Folder of the run; by default runs/demo-N.
        minutes: Time to train for.
    """
    if not minutes > 0:
        raise ValueError(f"--minutes {minutes}: it must be more than 0")
    from taskscape.commands.train import fresh_folder, print_outcome
    from taskscape.demo import demo as train_demo

    run = fresh_folder(out, "demo")
    with if_interrupted(f"streets that were made are kept; a checkpoint in {run} continues with --resume"):
        result = train_demo(run, minutes)
        print_outcome(run, result)
