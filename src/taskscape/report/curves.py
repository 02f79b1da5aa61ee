"""The columns of ``metrics.csv`` as charts."""

from collections.abc import Iterable, Mapping

from taskscape.metrics.spec import MetricSpec
from taskscape.report.charts import COLORS, Series, chart, spans_decades
from taskscape.report.glossary import leading, unit_and_direction
from taskscape.report.html import folded
from taskscape.report.run import Curve

AXES = ("epoch", "step")
LEARNING_RATE = "lr"
REST = COLORS[5]
"""The color of curves that stand alone."""


def losses(columns: Iterable[str]) -> dict[str, list[str]]:
    """Return the columns ``STAGE/loss/NAME`` by name: training and validation belong into one chart."""
    return _by_name(columns, "loss")


def weights(columns: Iterable[str]) -> dict[str, list[str]]:
    """Return the columns ``STAGE/weight/NAME`` by name."""
    return _by_name(columns, "weight")


def _by_name(columns: Iterable[str], kind: str) -> dict[str, list[str]]:
    groups: dict[str, list[str]] = {}
    for column in columns:
        parts = column.split("/", 2)
        if len(parts) == 3 and parts[1] == kind:
            groups.setdefault(parts[2], []).append(column)
    return groups


def validation(columns: Iterable[str], specs: Mapping[str, MetricSpec]) -> dict[str, str]:
    """Return the columns of validation metrics by metric: those that lead first, those of single classes left out."""
    columns = set(columns)
    metrics = [name for name, spec in specs.items() if f"val/{name}" in columns and not spec.per_class]
    return {name: f"val/{name}" for name in (*leading(metrics, specs), *metrics)}


def curve_charts(curves: Mapping[str, Curve], specs: Mapping[str, MetricSpec]) -> str:
    """Draw losses, the leading metrics, learning rate and weights; the other columns are in a closed part below.

    ``specs`` are those of the run's result.
    """
    loss, weight, metrics = losses(curves), weights(curves), validation(curves, specs)
    first = leading(metrics, specs) or list(metrics)[:3]

    charts = [_loss(name, {c: curves[c] for c in columns}, COLORS[i]) for i, (name, columns) in enumerate(loss.items())]
    charts += [metric_chart(specs[name], curves[metrics[name]], COLORS[i]) for i, name in enumerate(first)]
    charts.append(chart("Learning rate", [Series(LEARNING_RATE, COLORS[4], curves.get(LEARNING_RATE, []))]))
    charts.append(_weights({name: curves[columns[0]] for name, columns in weight.items()}))

    per_class = {f"val/{name}" for name, spec in specs.items() if spec.per_class}
    in_groups = {column for group in (*loss.values(), *weight.values()) for column in group}
    drawn = {LEARNING_RATE, *AXES, *metrics.values(), *per_class, *in_groups}
    rest = [metric_chart(specs[name], curves[metrics[name]], REST) for name in metrics if name not in first]
    rest += [chart(column, [Series(column, REST, curve)]) for column, curve in curves.items() if column not in drawn]

    closed = folded("Every other curve", grid(rest)) if any(rest) else ""
    return grid(charts) + closed if any(charts) else closed


def _loss(name: str, curves: Mapping[str, Curve], color: str) -> str:
    """Draw the loss of the stages: the first as a line, the others dashed."""
    lines = [
        Series(column.split("/")[0], color, curve, dashed=i > 0) for i, (column, curve) in enumerate(curves.items())
    ]
    return chart(f"Loss, {name}", lines, y_log=_log(lines))


def _weights(curves: Mapping[str, Curve]) -> str:
    lines = [Series(name, COLORS[i % len(COLORS)], curve) for i, (name, curve) in enumerate(curves.items())]
    return chart("Task weights", lines, y_log=_log(lines))


def _log(lines: Iterable[Series]) -> bool:
    return spans_decades([y for line in lines for _, y in line.points])


def metric_chart(spec: MetricSpec, curve: Curve, color: str) -> str:
    """Draw one metric over epochs."""
    last = curve[-1][1]
    return chart(spec.title, [Series(spec.title, color, curve)], f"{unit_and_direction(spec)} · last {spec.show(last)}")


def grid(charts: Iterable[str]) -> str:
    """Return charts side by side where there is room."""
    return f'<div class="charts">{"".join(charts)}</div>'
