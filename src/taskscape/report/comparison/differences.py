"""Sections on the settings in which runs differ, and on whether they can be compared."""

from collections.abc import Sequence
from html import escape

from taskscape.report.columns import row, table, text_cell
from taskscape.report.comparison.differ import Difference, is_task
from taskscape.report.comparison.settings import differences
from taskscape.report.groups import Group
from taskscape.report.html import prose, warning
from taskscape.report.words import MISSING, heading, setting_words


def what_differs(groups: Sequence[Group], difference: Difference) -> str:
    """Return a description of what is compared and what else differs."""
    parts = []
    if difference.compared:
        parts.append(f"<p>Compared: {escape(', '.join(difference.compared))}.</p>")
    if difference.besides:
        parts.append(
            warning(
                "These runs also differ as listed below. Any of these differences may affect the metrics, so nothing "
                "is starred."
            )
        )
        rows = [row(heading(name), "", map(text_cell, values)) for name, values in difference.besides.items()]
        parts.append(table(groups, rows, "words", name="other differences"))
    parts += [f'<p class="hint">{prose(remark)}</p>' for remark in difference.remarks]
    return "".join(parts)


def settings_table(groups: Sequence[Group]) -> str:
    """Return a table of the settings that differ between groups."""
    rows = [
        row(f"Task: {setting_words(name)}", "", [value if value == MISSING else "yes" for value in values])
        if is_task(name)
        else row(heading(setting_words(name)), "", map(text_cell, values))
        for name, values in differences(groups).items()
    ]
    return table(groups, rows, "words", name="settings of the runs")
