"""``taskscape evaluate``."""

from collections.abc import Sequence

import tyro

from taskscape.commands.shared import Run, if_interrupted, require_run


def main(arguments: Sequence[str]) -> None:
    tyro.cli(evaluate, args=arguments, prog="taskscape evaluate")


def evaluate(run: Run, /, *, split: str = "val", tta: bool = False, device: str = "auto") -> None:
    """Evaluate a trained network on a split; writes RUN/result.json, or RUN/result-SPLIT.json for another than val.

    Args:
        split: The split of the run's data: val, test, or any other that it has.
        tta: Test-time augmentation: the mean over the image and its mirror image; the file's name ends in -tta.
        device: Where to compute: auto (a GPU when there is one), cpu, cuda, cuda:1 or mps.
    """
    require_run(run)
    from taskscape import runs
    from taskscape.report import print_metrics

    with if_interrupted(f"{run} is as it was; start the same command again"):
        result = runs.evaluate(run, split=split, tta=tta, device=device)
    print_metrics(result)
