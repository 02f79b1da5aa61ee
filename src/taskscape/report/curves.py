"""The columns of ``metrics.csv`` as charts."""

from collections.abc import Iterable

from taskscape.report.charts import COLORS, Series, chart, spans_decades
from taskscape.report.glossary import headlines, is_per_class, meaning, reading
from taskscape.report.html import folded
from taskscape.report.run import Curve

AXES = ("epoch", "step")


def losses(columns: Iterable[str]) -> dict[str, list[str]]:
    """Return the columns ``STAGE/loss/NAME`` by name: training and validation belong into one chart."""
    return _by_name(columns, "loss")


def weights(columns: Iterable[str]) -> dict[str, list[str]]:
    """Return the columns ``STAGE/weight/NAME`` by name."""
    return _by_name(columns, "weight")


def _by_name(columns: Iterable[str], kind: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for column in columns:
        parts = column.split("/", 2)
        if len(parts) == 3 and parts[1] == kind:
            found.setdefault(parts[2], []).append(column)
    return found


def validation(columns: Iterable[str]) -> dict[str, str]:
    """Return the columns of validation metrics by metric, those that stand for a task first."""
    columns = list(columns)
    lost = {c for group in losses(columns).values() for c in group}
    metrics = {c.removeprefix("val/"): c for c in columns if c.startswith("val/") and c not in lost}
    return {m: metrics[m] for m in (*headlines(metrics), *metrics) if not is_per_class(m)}


def curve_charts(curves: dict[str, Curve]) -> str:
    """Draw losses, the metrics that stand for tasks, learning rate and weights; the other columns are folded away."""
    loss, weight, val = losses(curves), weights(curves), validation(curves)
    charts = []
    for i, (name, columns) in enumerate(loss.items()):
        lines = [
            Series(c.split("/")[0], COLORS[i % len(COLORS)], curves[c], dashed=j > 0) for j, c in enumerate(columns)
        ]
        log = spans_decades([y for s in lines for _, y in s.points])
        charts.append(chart(f"Loss, {name}", lines, y_log=log))
    shown = headlines(val) or list(val)[:3]
    charts += [_metric(metric, curves[val[metric]], COLORS[i]) for i, metric in enumerate(shown)]
    charts.append(chart("Learning rate", [Series("lr", COLORS[4], curves.get("lr", []))]))
    lines = [
        Series(name, COLORS[i % len(COLORS)], curves[c])
        for i, (name, group) in enumerate(weight.items())
        for c in group
    ]
    charts.append(chart("Task weights", lines, y_log=spans_decades([y for s in lines for _, y in s.points])))

    drawn = {"lr", *AXES, *val.values(), *(c for group in (*loss.values(), *weight.values()) for c in group)}
    more = [_metric(metric, curves[column], COLORS[5]) for metric, column in val.items() if metric not in shown]
    more += [chart(c, [Series(c, COLORS[5], curves[c])]) for c in curves if c not in drawn and not is_per_class(c)]
    folds = folded("Every other curve", grid(more)) if any(more) else ""
    return grid(charts) + folds if any(charts) else folds


def _metric(metric: str, curve: Curve, color: str) -> str:
    known = meaning(metric)
    return chart(
        known.title, [Series(metric, color, curve)], note=f"{reading(metric)} · last {known.show(curve[-1][1])}"
    )


def grid(charts: Iterable[str]) -> str:
    """Return charts side by side where there is room."""
    return f'<div class="charts">{"".join(charts)}</div>'
