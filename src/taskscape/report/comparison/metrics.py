"""The table of metrics: the values of each group, Δm, and the cost of its networks."""

from collections.abc import Sequence

from taskscape.report.columns import NO_BREAK_SPACE, heading_row, mean_and_deviation, row, table
from taskscape.report.comparison.costs import cost_row, time_rows
from taskscape.report.comparison.delta_m import delta_m_row
from taskscape.report.comparison.runs import Comparison
from taskscape.report.glossary import arrow, by_task
from taskscape.report.words import MISSING, heading, task_word


def metric_table(compared: Comparison) -> str:
    """Return the table of metrics, with Δm above them and costs below."""
    yardstick = "without the image" if any(compared.blind(name) for name in compared.metrics) else ""
    columns = len(compared.groups) + bool(yardstick)
    rows = delta_m_row(compared)
    for task, names in by_task(compared.metrics).items():
        rows.append(heading_row(heading(task_word(task, compared.tasks)), columns))
        rows += [_metric_row(compared, name, [compared.blind(name) or MISSING] if yardstick else []) for name in names]
    rows.append(heading_row("Cost", columns))
    rows += [
        cost_row(compared, name) for name in ("parameters", "flops") if any(g.costs(name) for g in compared.groups)
    ]
    rows += time_rows(compared)
    return table(compared.groups, rows, yardstick=yardstick)


def _metric_row(compared: Comparison, name: str, yardstick: Sequence[str]) -> str:
    spec = compared.specs[name]
    cells = [mean_and_deviation(g.values(name), spec.show, len(g.by_seed)) for g in compared.groups]
    best = compared.best(name, spec.show)
    return row(f"{spec.title}{NO_BREAK_SPACE}{arrow(spec)}", spec.unit, [*cells, *yardstick], best)
