"""The page about several runs side by side."""

from collections.abc import Sequence
from pathlib import Path

from taskscape.metrics.delta_m import metrics_of
from taskscape.report.columns import STAR
from taskscape.report.comparison.classes import class_table
from taskscape.report.comparison.costs import cost_section
from taskscape.report.comparison.curves import curve_section
from taskscape.report.comparison.delta_m import delta_m_note
from taskscape.report.comparison.differences import settings_table, what_differs
from taskscape.report.comparison.metrics import metric_table
from taskscape.report.comparison.pairs import pair_tables
from taskscape.report.comparison.runs import Comparison
from taskscape.report.comparison.side_by_side import side_by_side
from taskscape.report.groups import Group
from taskscape.report.html import page, write
from taskscape.report.run import Run
from taskscape.report.times import Times


def write_comparison(
    runs: Sequence[str | Path],
    out: str | Path,
    *,
    split: str = "val",
    tta: bool | str = False,
    times: Times | None = None,
    last_epochs: bool = False,
    delta_m: Sequence[str] = (),
) -> Path:
    """Write the HTML file ``out``, which compares runs by their results on a split, and return its path.

    Runs that differ only in their seed become one column: mean ± standard deviation. ``times`` are measured by
    ``taskscape.runs.measure_times``; without them no times are compared. With
    ``last_epochs`` the metrics are the means of each run's last epochs (``Experiment.average_last``), not those of its
    best. ``delta_m`` are the metrics that Δm is the mean of, ``task/metric`` or a list of
    ``taskscape.metrics.delta_m.LISTS``, by default those that count by their specs. Raises ``ValueError`` for fewer
    than two runs, and for one that lacks something, with the command that makes it; ``FileNotFoundError`` for a folder
    that is no run.
    """
    folders = list({Path(run).resolve(): Path(run) for run in runs}.values())
    if len(folders) < 2:
        raise ValueError(f"a comparison needs at least two runs, not {len(folders)}: name more run folders")
    loaded = [Run.load(run, split, tta) for run in folders]
    if last_epochs:
        loaded = [run.of_last_epochs() for run in loaded]
    return write(Path(out), _page(Comparison(loaded, times, metrics_of(delta_m))))


def _page(compared: Comparison) -> str:
    """Return the whole page."""
    groups = compared.groups
    count = sum(len(g.runs) for g in groups)
    repeated = f" of {len(groups)} experiments: mean ± standard deviation over seeds" if count > len(groups) else ""
    result = groups[0].runs[0].result
    metrics = metric_table(compared)
    star = "A star marks what is better than everything else in its row by more than the spread over seeds. "
    return page(
        " · ".join(g.name for g in groups) if len(groups) <= 3 else f"{len(groups)} experiments compared",
        "taskscape · comparison of runs",
        f"{count} runs{repeated}, on the split {result.split}{result.tta_words}{_epochs(groups)}.",
        [
            ("What differs", "", what_differs(groups, compared.difference)),
            (
                "Metrics",
                (star if STAR in metrics else "") + "Arrows say whether higher or lower is better.",
                metrics + delta_m_note(compared),
            ),
            ("Settings", "Those that are not the same everywhere.", settings_table(groups)),
            ("Pairs", "Any two against each other: the differences of the same seeds.", pair_tables(groups)),
            ("Cost", "", cost_section(compared)),
            ("Curves", "Validation over epochs; a line per run.", curve_section(compared)),
            ("Classes", f"Small: the change against {groups[0].name}.", class_table(compared)),
            (
                "Images",
                "What each network predicts for the same images: the first run of each column.",
                side_by_side(groups),
            ),
        ],
    )


def _epochs(groups: Sequence[Group]) -> str:
    """Say of which epochs the metrics are, where not of the best ones."""
    counts = sorted({run.last for g in groups for run in g.runs})
    epochs = "epoch" if counts == [1] else "epochs"
    return f"; means of the last {' or '.join(map(str, counts))} {epochs}" if any(counts) else ""
