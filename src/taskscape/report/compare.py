"""The comparison of several runs on one page."""

from collections.abc import Callable, Sequence
from pathlib import Path

from taskscape.metrics.delta_m import metrics_of
from taskscape.report.columns import MEANING_OF_BEST, STAR
from taskscape.report.comparison import text
from taskscape.report.comparison.classes import class_table
from taskscape.report.comparison.costs import cost_section
from taskscape.report.comparison.curves import curve_section
from taskscape.report.comparison.delta_m import delta_m_note
from taskscape.report.comparison.differences import settings_table, what_differs
from taskscape.report.comparison.metrics import metric_table
from taskscape.report.comparison.pairs import pair_tables
from taskscape.report.comparison.runs import Comparison
from taskscape.report.comparison.side_by_side import side_by_side
from taskscape.report.html import page, write
from taskscape.report.run import Run
from taskscape.report.times import Times

STARTS = {**dict.fromkeys((".html", ".htm", ""), "<!doctype html"), **text.STARTS}
"""The first characters of a comparison, by the suffix of its file."""


def start_of(out: Path) -> str:
    """Return the first characters of a comparison in this file. Raises ``ValueError`` for an unknown suffix."""
    if (suffix := out.suffix.lower()) not in STARTS:
        raise ValueError(
            f"{out} ends in {suffix}: end it in .html for a page, or in {', '.join(text.STARTS)} for a table of the "
            "metrics"
        )
    return STARTS[suffix]


def write_comparison(
    runs: Sequence[str | Path],
    out: str | Path,
    *,
    split: str = "val",
    tta: bool | str = False,
    times: Times | Callable[[], Times] | None = None,
    last_epochs: bool = False,
    delta_m: Sequence[str] = (),
) -> Path:
    """Write a comparison of runs by their results on a split to the file ``out``, and return its path.

    The suffix of ``out`` chooses the content: ``.html`` is a page; ``.tex`` and ``.md`` are a table of the metrics that
    count in Δm, with a row per experiment; ``.csv`` has a row per run, with all metrics.

    Runs that differ only in their seed become one experiment: mean ± standard deviation. ``times`` are measured by
    ``taskscape.runs.measure_times``, or a function that measures them, which is called when all runs are read; without
    them no times are compared. With ``last_epochs`` the metrics are the means of each run's last epochs
    (``Experiment.average_last``), not those of its best epoch. ``delta_m`` names the metrics that Δm averages, each as
    ``task/metric`` or as a list of ``taskscape.metrics.delta_m.LISTS``; by default those that count according to their
    specs.

    Raises ``ValueError`` for another suffix, for fewer than two runs, and for a run without a result, with the command
    that makes it; ``FileNotFoundError`` for a folder that is not a run.
    """
    out = Path(out)
    start_of(out)
    folders = list({Path(run).resolve(): Path(run) for run in runs}.values())
    if len(folders) < 2:
        same = f" ({folders[0]} is named {len(runs)} times)" if len(runs) > 1 else ""
        raise ValueError(f"a comparison needs at least two runs, not {len(folders)}{same}: name more run folders")
    loaded = [Run.load(run, split, tta) for run in folders]
    if last_epochs:
        loaded = [run.of_last_epochs() for run in loaded]
    compared = Comparison(loaded, metrics_of(delta_m))
    compared.times = times() if callable(times) else times
    return write(out, text.TEXTS.get(out.suffix.lower(), _page)(compared))


def _page(compared: Comparison) -> str:
    """Return the whole page."""
    groups = compared.groups
    metrics = metric_table(compared)
    means = any(run.last for g in groups for run in g.runs)
    of_best, at_best = (" Confusion matrices are of the best epochs.", ", at its best epoch") if means else ("", "")
    star = f"A star marks {MEANING_OF_BEST} "
    return page(
        " · ".join(g.name for g in groups) if len(groups) <= 3 else f"{len(groups)} experiments compared",
        "taskscape · comparison of runs",
        compared.subject,
        [
            ("What differs", "", what_differs(groups, compared.difference)),
            (
                "Metrics",
                (star if STAR in metrics else "") + "Arrows show whether higher or lower is better.",
                metrics + delta_m_note(compared),
            ),
            ("Settings", "Settings that differ between columns.", settings_table(groups)),
            ("Pairs", f"Pairwise differences between columns, seed by seed.{of_best}", pair_tables(groups)),
            ("Cost", "", cost_section(compared)),
            ("Curves", "One line per run.", curve_section(compared)),
            (
                "Classes",
                f"In small print: the change relative to {groups[0].name}." if len(groups) > 1 else "",
                class_table(compared),
            ),
            (
                "Images",
                f"Predictions for the same images, by the first run of each column{at_best}.",
                side_by_side(groups),
            ),
        ],
    )
