"""``taskscape compare``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from taskscape.commands.shared import TtaAs, chosen_tta, if_interrupted, require_run

if TYPE_CHECKING:
    from taskscape.report.times import Times

Page = Annotated[Path, tyro.conf.arg(metavar="PAGE")]
Metrics = Annotated[tuple[str, ...], tyro.conf.arg(metavar="METRIC ...")]


def compare(
    runs: Annotated[tuple[Path, ...], tyro.conf.arg(metavar="RUN...", help="Folders of runs.")],
    /,
    *,
    out: Page,
    split: str = "val",
    tta: bool = False,
    tta_as: TtaAs = None,
    last_epochs: bool = False,
    delta_m: Metrics = (),
    time: bool = False,
) -> None:
    """Compare several runs side by side in a self-contained HTML file, or in a table for a paper or a program.

    Runs that differ only in their seed share a column, with mean and standard deviation.

    Args:
        out: File to write, such as comparison.html. A name that ends in .tex or .md gets a table of the metrics, one in
            .csv a row per run.
        split: Split whose evaluations are compared.
        tta: Compare the evaluations with test-time augmentation.
        last_epochs: Compare the means over the last epochs, of runs with --average-last, instead of the best epochs.
        delta_m: Metrics that Δm averages over, such as semseg/miou, or a list common in the literature: nyuv2,
            nyuv2-two-tasks or cityscapes (with inverse depth). By default the metrics marked in the tables.
        time: Measure the inference times of the networks, interleaved in one process so that they are comparable.
    """
    for run in runs:
        require_run(run)
    from taskscape.files.paths import require_replaceable, require_writable
    from taskscape.report import write_comparison
    from taskscape.report.compare import start_of

    require_replaceable(out, start_of(out).encode(), "comparison")
    require_writable(out.parent, "the comparison")
    augmentation = chosen_tta(tta, tta_as)

    def measured() -> "Times":
        from taskscape.runs import measure_times

        return measure_times(runs, tta=augmentation)

    with if_interrupted("nothing was written; start the same command again"):
        page = write_comparison(
            list(runs),
            out,
            split=split,
            tta=augmentation,
            times=measured if time else None,
            last_epochs=last_epochs,
            delta_m=delta_m,
        )
        print(page)
