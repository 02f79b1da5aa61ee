"""Tables with one column per group of runs."""

from collections.abc import Callable, Collection, Iterable, Sequence
from html import escape
from statistics import fmean, stdev

from taskscape.report.charts import color
from taskscape.report.groups import Group
from taskscape.report.html import breakable, small, wide
from taskscape.report.words import MISSING

Show = Callable[[float], str]
"""Formats a number."""
NO_BREAK_SPACE = "\N{NO-BREAK SPACE}"
STAR = "★"
MEANING_OF_BEST = (
    "a value that is better than those of all other experiments by more than the spread over seeds. By chance alone, "
    "one of two equal experiments would have one in a third of the metrics with two seeds each, in a fifth with three, "
    "and in a tenth with five."
)
"""The end of a sentence on what a star or bold print marks (``best_group``)."""
_MAX_LENGTH = 44
"""Maximum number of characters of a text cell."""


def table(groups: Sequence[Group], rows: Sequence[str], kind: str = "", yardstick: str = "", name: str = "") -> str:
    """Return a table of rows in HTML; an empty string without rows.

    ``kind`` is an additional CSS class, ``yardstick`` the header of a column after those of the groups, and ``name``
    the label for screen readers.
    """
    if not rows:
        return ""
    head = "".join(_column_head(g, color(i)) for i, g in enumerate(groups))
    head += f"<th scope=col>{escape(yardstick)}</th>" if yardstick else ""
    return wide(
        f'<table class="compare {kind}"><thead><tr><td></td>{head}</tr></thead><tbody>{"".join(rows)}</tbody></table>',
        name or f"{kind or 'numbers'} of the runs",
    )


def _column_head(g: Group, mark: str) -> str:
    repetitions = f" <small>× {len(g.runs)}</small>" if len(g.runs) > 1 else ""
    unfinished = '<br><small class="worse">unfinished</small>' if g.unfinished else ""
    return f'<th scope=col><i style="--color:{mark}"></i>{escape(g.name)}{repetitions}{unfinished}</th>'


def heading_row(title: str, columns: int) -> str:
    """Return a heading row for the rows below it."""
    return f'<tr class="group"><th scope=rowgroup>{escape(title)}</th><td colspan="{columns}"></td></tr>'


def row(title: str, note: str, cells: Iterable[str], best: Collection[int] = ()) -> str:
    """Return a row: its title, a small note beside it, and one HTML cell per group, with the best ones starred."""
    marked = "".join(
        f'<td class="best"><span class="star" role="img" aria-label="best">{STAR}</span> {c}</td>'
        if i in best
        else f"<td>{c}</td>"
        for i, c in enumerate(cells)
    )
    return f"<tr><th scope=row>{breakable(title)}{small(note)}</th>{marked}</tr>"


def text_cell(value: str) -> str:
    """Return a text cell; a long text is truncated, with the full text as its tooltip."""
    if len(value) <= _MAX_LENGTH:
        return escape(value)
    return f'<span title="{escape(value)}">{escape(value[: _MAX_LENGTH - 1])}…</span>'


def mean_and_deviation(values: Sequence[float], show: Show, runs: int = 0) -> str:
    """Return a cell with the mean of a group's values, and with their standard deviation if there are several.

    The cell says so if only some of the group's ``runs`` have a value.
    """
    if not values:
        return MISSING
    deviation = f" <small>± {show(stdev(values))}</small>" if len(values) > 1 else ""
    return show(fmean(values)) + deviation + (f" <small>({share})</small>" if (share := of_runs(values, runs)) else "")


def of_runs(values: Sequence[float], runs: int) -> str:
    """Return of how many of a group's runs these are the values: ``2 of 3``; empty if all of them or none have one."""
    return f"{len(values)} of {runs}" if 0 < len(values) < runs else ""


def best_group(values: Sequence[Sequence[float]], higher_is_better: bool, show: Show) -> set[int]:
    """Return the group that is better than every other by more than the spread over seeds, if there is one.

    The spread of two groups is the larger of their standard deviations. If neither has several seeds, the spread is
    unknown and no group is the best.
    """
    measured = {i: v for i, v in enumerate(values) if v}
    if len(measured) < 2:
        return set()
    best = (max if higher_is_better else min)(measured, key=lambda i: fmean(measured[i]))
    for i, other in measured.items():
        if i == best:
            continue
        spreads = [stdev(v) for v in (measured[best], other) if len(v) > 1]
        lead = abs(fmean(measured[best]) - fmean(other))
        if not spreads or lead <= max(spreads) or show(fmean(measured[best])) == show(fmean(other)):
            return set()
    return {best}
