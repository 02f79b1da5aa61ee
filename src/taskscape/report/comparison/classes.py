"""The table of metrics per class."""

from taskscape.metrics.spec import MetricSpec
from taskscape.report.columns import heading_row, mean_and_deviation, row, table
from taskscape.report.comparison.runs import Comparison
from taskscape.report.glossary import class_digits, signed
from taskscape.report.words import heading, task_word


def class_table(compared: Comparison) -> str:
    """Return the table of per-class metrics, ``task/metric/class``, with the change relative to the first group."""
    rows: list[str] = []
    previous = ""
    present = {name for g in compared.groups for name in g.means}
    for name in (name for name, spec in compared.specs.items() if spec.per_class and name in present):
        task, _, label = name.split("/", 2)
        title, unit = compared.specs[name].title.removesuffix(label).strip(), compared.specs[name].unit
        head = f"{heading(task_word(task, compared.tasks))}: {title}{f', {unit}' if unit else ''}"
        if head != previous:
            previous = head
            rows.append(heading_row(head, len(compared.groups)))
        rows.append(_class_row(compared, name, label))
    return table(compared.groups, rows, "classes")


def _class_row(compared: Comparison, name: str, label: str) -> str:
    spec, groups = compared.specs[name], compared.groups
    values = [g.values(name) for g in groups]
    show = f"{{:.{class_digits(spec)}f}}".format
    reference = groups[0].means.get(name)
    cells = [mean_and_deviation(v, show, len(g.by_seed)) for v, g in zip(values, groups, strict=True)]
    for i, g in enumerate(groups[1:], 1):
        if reference is not None and name in g.means:
            cells[i] += _change(g.means[name] - reference, spec)
    return row(label, "", cells, compared.best(name, show))


def _change(change: float, spec: MetricSpec) -> str:
    digits = class_digits(spec)
    if abs(change) < 0.5 / 10**digits:
        return f" <small>{0:.{digits}f}</small>"
    better = (change > 0) == spec.higher_is_better
    return f' <small class="{"good" if better else "worse"}">{signed(change, digits)}</small>'
