"""The curves of all runs, in the colors of their groups."""

from taskscape.report.charts import Series, chart, color, grid, needs_log
from taskscape.report.comparison.runs import Comparison
from taskscape.report.curves import STAGES, YARDSTICK, by_name, over_minutes, validation
from taskscape.report.glossary import leading, unit_and_direction
from taskscape.report.html import folded
from taskscape.report.words import heading, task_word


def curve_section(compared: Comparison) -> str:
    """Draw the leading metrics and the losses; below, in collapsed sections, metrics over time and other metrics."""
    columns = list(dict.fromkeys(column for g in compared.groups for run in g.runs for column in run.curves))
    metrics = validation(columns, compared.specs)
    loss_columns = {
        f"{heading(STAGES[stage])} loss, {task_word(name, compared.tasks)}": column
        for stage in STAGES
        for name, stages in by_name(columns, "loss").items()
        for column in stages
        if column.startswith(f"{stage}/")
    }
    main_metrics = leading(metrics, compared.specs)
    main_charts = [_metric_curves(compared, name, metrics[name]) for name in main_metrics]
    main_charts += [_loss_curves(compared, title, column) for title, column in loss_columns.items()]
    over_time = [_metric_curves(compared, name, metrics[name], over_time=True) for name in main_metrics]
    other_charts = [
        _metric_curves(compared, name, column) for name, column in metrics.items() if name not in main_metrics
    ]
    return (
        grid(main_charts)
        + folded("Over each run's own time instead of epochs", grid(over_time))
        + folded("All other validation curves", grid(other_charts))
    )


def _metric_curves(compared: Comparison, name: str, column: str, *, over_time: bool = False) -> str:
    spec, lines = compared.specs[name], _lines(compared, column, over_time=over_time)
    blind = compared.groups[0].runs[0].result.blind.get(name)
    xs = [x for line in lines for x, _ in line.points]
    if blind is not None and len(set(xs)) > 1 and not over_time and spec.leads:
        yardstick = [(min(xs), blind), (max(xs), blind)]
        lines.append(Series("without the image", YARDSTICK, yardstick, dashed=True, dot=False))
    x_label = "minutes of training" if over_time else "epoch"
    return chart(spec.title, lines, unit_and_direction(spec), x_label=x_label)


def _loss_curves(compared: Comparison, title: str, column: str) -> str:
    lines = _lines(compared, column)
    steps = column.removeprefix("train/")
    if all(len(line.points) < 2 for line in lines) and steps != column:  # a single epoch: draw its steps
        lines = [
            Series(g.name if j == 0 else "", color(i), run.steps.get(steps, []))
            for i, g in enumerate(compared.groups)
            for j, run in enumerate(g.runs)
        ]
    return chart(title, lines, y_log=needs_log(lines))


def _lines(compared: Comparison, column: str, *, over_time: bool = False) -> list[Series]:
    """Return a line per run in the color of its group; the first line of each group is in the legend."""
    lines = []
    for i, g in enumerate(compared.groups):
        curves = [
            over_minutes(run.curves, column) if over_time else run.curves[column]
            for run in g.runs
            if column in run.curves
        ]
        lines += [Series(g.name if j == 0 else "", color(i), curve) for j, curve in enumerate(curves)]
    return lines
