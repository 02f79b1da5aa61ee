"""Tables with a column per group of runs."""

from collections.abc import Callable, Collection, Sequence
from html import escape
from statistics import fmean, stdev

from taskscape.report.charts import COLORS
from taskscape.report.groups import Group
from taskscape.report.html import breakable, wide

Show = Callable[[float], str]
"""Turns a number into text."""
MISSING = "–"


def color(i: int) -> str:
    """Return the color of the i-th group, in tables and charts."""
    return COLORS[i % len(COLORS)]


def table(groups: Sequence[Group], rows: Sequence[str], kind: str = "") -> str:
    """Return a table of rows that are HTML; nothing where there are none. ``kind`` is a further class for its style."""
    if not rows:
        return ""
    head = "".join(_column_head(g, color(i)) for i, g in enumerate(groups))
    return wide(
        f'<table class="compare {kind}"><thead><tr><th></th>{head}</tr></thead><tbody>{"".join(rows)}</tbody></table>'
    )


def _column_head(g: Group, color: str) -> str:
    times = f" <small>× {len(g.runs)}</small>" if len(g.runs) > 1 else ""
    return f'<th scope=col><i style="--color:{color}"></i>{escape(g.name)}{times}</th>'


def heading(title: str, columns: int) -> str:
    """Return a row that names the rows below it."""
    return f'<tr class="group"><th scope=rowgroup>{escape(title)}</th><td colspan="{columns}"></td></tr>'


def row(title: str, note: str, cells: Sequence[str], best: Collection[int] = ()) -> str:
    """Return a row: its title, a small note beside it, a cell per group as HTML, and which of the cells are best."""
    marked = "".join(f'<td class="best">{c}</td>' if i in best else f"<td>{c}</td>" for i, c in enumerate(cells))
    note = f"&nbsp;<small>{escape(note)}</small>" if note else ""
    return f"<tr><th scope=row>{breakable(title)}{note}</th>{marked}</tr>"


def mean_and_deviation(values: Sequence[float], show: Show) -> str:
    """Return a cell: the mean of a group's values, and their standard deviation where there are several."""
    if not values:
        return MISSING
    deviation = f" <small>± {show(stdev(values))}</small>" if len(values) > 1 else ""
    return show(fmean(values)) + deviation


def best_groups(values: Sequence[Sequence[float]], higher_is_better: bool, show: Show) -> set[int]:
    """Return which groups' means read the same as the best one; none where all do, or fewer than two have a mean."""
    means = {i: fmean(v) for i, v in enumerate(values) if v}
    if len(means) < 2:
        return set()
    best = show(max(means.values()) if higher_is_better else min(means.values()))
    same = {i for i, mean in means.items() if show(mean) == best}
    return same if len(same) < len(means) else set()
