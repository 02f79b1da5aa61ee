"""``taskscape evaluate``."""

from collections.abc import Sequence
from typing import Literal

import tyro

from taskscape.commands.shared import Run, if_interrupted


def main(arguments: Sequence[str]) -> None:
    """Parse, call, print."""
    tyro.cli(evaluate, args=arguments, prog="taskscape evaluate")


def evaluate(
    run: Run, /, *, split: str = "val", tta: bool = False, device: Literal["auto", "cpu", "cuda"] = "auto"
) -> None:
    """Measure a trained network on a split; writes RUN/result.json, or RUN/result-SPLIT.json for another than val.

    Args:
        split: The split of the run's data: val, test, or what else it has.
        tta: Test-time augmentation, the mean over the image and its mirror image; the file's name ends in -tta.
        device: Where to compute; auto takes a GPU when there is one.
    """
    from taskscape.report import print_metrics
    from taskscape.runs.run import evaluate_run

    with if_interrupted(f"{run} is as it was; start the same command again"):
        result = evaluate_run(run, split=split, tta=tta, device=device)
    print_metrics(result)
