"""``taskscape evaluate``."""

from collections.abc import Sequence

import tyro

from taskscape.commands.shared import Run, TtaAs, chosen_tta, if_interrupted, require_run
from taskscape.imports import quick_imports


def main(arguments: Sequence[str]) -> None:
    tyro.cli(evaluate, args=arguments, prog="taskscape evaluate")


def evaluate(run: Run, /, *, split: str = "val", tta: bool = False, tta_as: TtaAs = None, device: str = "auto") -> None:
    """Evaluate a trained network on a split; writes RUN/result.json, or RUN/result-SPLIT.json for another than val.

    Args:
        split: The split of the run's data: val, test, or any other that it has.
        tta: Test-time augmentation: the mean over the image and its mirror image; the file's name ends in -tta.
        tta_as: Test-time augmentation by a word: mirror, scales-3 (0.75 1 1.25), scales-3-max, scales-5 (0.5 … 1.5),
            scales-5-max, or spelled out as in 0.75-1-1.25-mirror-max; the file's name ends in
            the word. What it gains and costs is printed too.
        device: Where to compute: auto (a GPU when there is one), cpu, cuda, cuda:1 or mps.
    """
    require_run(run)
    with quick_imports():
        from taskscape import runs
    from taskscape.report import print_metrics, without_tta

    with if_interrupted(f"{run} is as it was; start the same command again"):
        result = runs.evaluate(run, split=split, tta=chosen_tta(tta, tta_as), device=device)
    print_metrics(result, plain=without_tta(run, result))
