"""The metrics of the run beside their yardsticks."""

from collections.abc import Sequence
from html import escape

from taskscape.report.glossary import by_task, direction, shown
from taskscape.report.html import small, wide
from taskscape.report.words import MISSING, heading, task_word
from taskscape.report.yardsticks import Yardstick
from taskscape.run_folder import Result


def metric_tables(result: Result, references: Sequence[Yardstick]) -> str:
    """Return a table of metrics per task, with a column per yardstick."""
    groups = by_task(shown(result.metrics, result.specs)).items()
    return "".join(
        _metric_table(heading(task_word(task, result.tasks)), names, result, references) for task, names in groups
    )


def _metric_table(group: str, names: Sequence[str], result: Result, references: Sequence[Yardstick]) -> str:
    references = [yardstick for yardstick in references if yardstick.metrics.keys() & set(names)]
    heads = "".join(
        f"<th scope=col>{escape(heading(title))}</th>" for title in ("this run", *(y.title for y in references))
    )
    rows = ""
    for name in names:
        spec = result.specs[name]
        reference_values = (spec.show(y.metrics[name]) if name in y.metrics else MISSING for y in references)
        rows += (
            f"<tr><th scope=row>{escape(spec.title)} {direction(spec)}<small>{escape(spec.text)}</small></th>"
            f"<td><b>{spec.show(result.metrics[name])}</b>{small(spec.unit)}</td>"
            + "".join(f"<td>{number}</td>" for number in reference_values)
            + "</tr>"
        )
    return wide(
        f'<table class="metrics"><caption>{escape(group)}</caption><thead><tr><td></td>{heads}</tr></thead>'
        f"<tbody>{rows}</tbody></table>",
        f"metrics of {group}",
    )
