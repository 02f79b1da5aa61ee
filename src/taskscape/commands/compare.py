"""``taskscape compare``."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import tyro

from taskscape.commands.shared import if_interrupted

Page = Annotated[Path, tyro.conf.arg(metavar="PAGE")]


def main(arguments: Sequence[str]) -> None:
    tyro.cli(compare, args=arguments, prog="taskscape compare")


def compare(
    runs: Annotated[tuple[Path, ...], tyro.conf.arg(metavar="RUN...", help="Folders of runs.")],
    /,
    *,
    out: Page,
    split: str = "val",
    tta: bool = False,
    time: bool = False,
) -> None:
    """Compare several runs side by side in a self-contained HTML file.

    Runs that differ in nothing but the seed become one column: mean and standard deviation.

    Args:
        out: The file to write, such as comparison.html.
        split: The split whose evaluations are compared.
        tta: Compare the evaluations with test-time augmentation.
        time: Measure how long the networks take to predict, in turns and in one process, so that times can be compared.
    """
    from taskscape.report import write_comparison

    with if_interrupted("nothing was written; start the same command again"):
        times = None
        if time:
            from taskscape.runs import measure_times

            times = measure_times(runs)
        print(write_comparison(list(runs), out, split=split, tta=tta, times=times))
