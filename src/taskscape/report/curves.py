"""Charts of the columns of ``metrics.csv``."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from taskscape.metrics.spec import MetricSpec
from taskscape.modalities import Modality
from taskscape.report.charts import COLORS, Series, chart, color, grid, needs_log
from taskscape.report.glossary import leading, shown, unit_and_direction
from taskscape.report.html import folded
from taskscape.report.logged import Curve
from taskscape.report.run import Run
from taskscape.report.words import column_words, task_word
from taskscape.views import view

AXES = ("epoch", "step", "seconds")
LEARNING_RATE = "lr"
OTHER_COLOR = COLORS[5]
"""Color of single curves below the main charts."""
YARDSTICK = "var(--yardstick)"
STAGES = {"train": "training", "val": "validation"}
NOT_AVERAGED = "not_averaged"
"""Prefix of validation columns for the weights of the last step, which are measured beside their average."""


class Curves(NamedTuple):
    """The curves of one run."""

    epochs: Mapping[str, Curve]
    """By column of ``metrics.csv``, over epochs."""
    specs: Mapping[str, MetricSpec]
    """By metric."""
    steps: Mapping[str, Curve] = {}
    """Values logged per step, ``loss/TASK`` and ``lr``, over fractional epochs."""
    tasks: Mapping[str, Modality] = {}
    blind: Mapping[str, float] = {}
    """Metrics of an image-blind baseline, drawn as a yardstick."""

    @classmethod
    def of(cls, run: Run) -> "Curves":
        """Return the curves of a run."""
        result = run.result
        return cls(run.curves, result.specs, run.steps, result.tasks, result.blind)


def by_name(columns: Iterable[str], quantity: str) -> dict[str, list[str]]:
    """Return the columns ``STAGE/QUANTITY/NAME``, of training and validation, by name.

    Quantities are ``loss``, ``weight``, and for networks that transfer predictions, ``consistency``.
    """
    groups: dict[str, list[str]] = {}
    for column in columns:
        parts = column.split("/", 2)
        if len(parts) == 3 and parts[1] == quantity:
            groups.setdefault(parts[2], []).append(column)
    return groups


def validation(columns: Iterable[str], specs: Mapping[str, MetricSpec]) -> dict[str, str]:
    """Return the columns of the validation metrics that pages show, by metric; leading metrics come first."""
    columns = set(columns)
    metrics = shown((name for name in specs if f"val/{name}" in columns), specs)
    return {name: f"val/{name}" for name in (*leading(metrics, specs), *metrics)}


def when_validated(columns: Mapping[str, Curve]) -> str:
    """Return a sentence on which epochs were validated, from the columns of ``metrics.csv``."""
    trained, validated = (
        {epoch for column, curve in columns.items() if column.startswith(f"{stage}/loss/") for epoch, _ in curve}
        for stage in STAGES
    )
    if not validated or trained <= validated:
        return "Validation after every epoch."
    if validated == {max(trained)}:
        return "Validation after the last epoch."
    return f"Validation after {len(validated)} of {len(trained)} epochs."


def curve_charts(curves: Curves) -> str:
    """Draw losses, leading metrics, learning rate and weights; below, in collapsed sections, metrics over time and all
    other columns.
    """
    epochs, specs = curves.epochs, curves.specs
    loss_columns, weight_columns = by_name(epochs, "loss"), by_name(epochs, "weight")
    metrics = validation(epochs, specs)
    for name in curves.steps:
        if name.startswith("loss/"):
            loss_columns.setdefault(name.removeprefix("loss/"), [])
    main_metrics = leading(metrics, specs) or list(metrics)[:3]

    charts = [_loss(curves, name, columns, color(i)) for i, (name, columns) in enumerate(loss_columns.items())]
    charts += [metric_chart(curves, name, COLORS[i], yardstick=True) for i, name in enumerate(main_metrics)]
    energies = by_name(epochs, "consistency")
    charts += [_energy(curves, name, columns[0], color(i)) for i, (name, columns) in enumerate(energies.items())]
    rate = curves.steps.get(LEARNING_RATE) or epochs.get(LEARNING_RATE, [])
    charts.append(chart("Learning rate", [Series("learning rate", COLORS[4], rate)], from_zero=True))
    if len(weight_columns) > 1:
        charts.append(
            _weights({task_word(name, curves.tasks): epochs[columns[0]] for name, columns in weight_columns.items()})
        )

    other_charts = [metric_chart(curves, name, OTHER_COLOR) for name in metrics if name not in main_metrics]
    for column in _others(curves):
        words = column_words(column)
        other_charts.append(chart(words, [Series(words, OTHER_COLOR, epochs[column])]))
    over_time = [_over_time(curves, name, color(i)) for i, name in enumerate(main_metrics)]

    return (
        grid(charts)
        + folded("Over time instead of epochs", grid(over_time))
        + folded("All other curves", grid(other_charts))
    )


def _others(curves: Curves) -> list[str]:
    """Return the columns that are neither an axis nor a loss, weight or metric."""
    groups = [by_name(curves.epochs, quantity).values() for quantity in ("loss", "weight", "consistency")]
    drawn = {LEARNING_RATE, *AXES, *(column for group in groups for columns in group for column in columns)}
    drawn |= {f"{stage}/{name}" for stage in (*STAGES, NOT_AVERAGED) for name in curves.specs}
    return [column for column in curves.epochs if column not in drawn]


def _loss(curves: Curves, name: str, columns: Iterable[str], color: str) -> str:
    """Draw a loss: its steps faintly, the means of epochs as a line, validation dashed."""
    lines = [Series("each step", color, curves.steps.get(f"loss/{name}", []), faint=True)]
    for column in columns:
        stage = column.split("/")[0]
        lines.append(Series(STAGES.get(stage, stage), color, curves.epochs[column], dashed=stage != "train"))
    return chart(f"Loss, {task_word(name, curves.tasks)}", lines, y_log=needs_log(lines))


def _energy(curves: Curves, name: str, column: str, color: str) -> str:
    """Draw the distance between the predictions transferred to a task and its direct predictions."""
    task_view = view(curves.tasks[name]) if name in curves.tasks else None
    unit = "" if task_view is None else "nats" if task_view.classes else task_view.axis
    note = f"{unit}, transferred vs. direct predictions · ↓ lower is better".removeprefix(", ")
    line = Series("validation", color, curves.epochs[column])
    return chart(f"Consistency energy, {task_word(name, curves.tasks)}", [line], note, from_zero=True)


def _weights(curves: Mapping[str, Curve]) -> str:
    lines = [Series(name, color(i), curve) for i, (name, curve) in enumerate(curves.items())]
    return chart("Task weights", lines, y_log=needs_log(lines))


def metric_chart(curves: Curves, name: str, color: str, *, yardstick: bool = False) -> str:
    """Draw one metric over epochs: validation, training dashed if it was measured, and the image-blind baseline."""
    spec, curve = curves.specs[name], curves.epochs[f"val/{name}"]
    lines = [
        Series("validation", color, curve),
        Series("training images", color, curves.epochs.get(f"train/{name}", []), dashed=True),
        Series("weights not averaged", color, curves.epochs.get(f"{NOT_AVERAGED}/{name}", []), faint=True),
    ]
    if yardstick and name in curves.blind and len(curve) > 1:
        ends = [(x, curves.blind[name]) for x in (curve[0][0], curve[-1][0])]
        lines.append(Series("without the image", YARDSTICK, ends, dashed=True, dot=False))
    return chart(spec.title, lines, f"{unit_and_direction(spec)} · last {spec.show(curve[-1][1])}")


def _over_time(curves: Curves, name: str, color: str) -> str:
    spec = curves.specs[name]
    lines = [Series(spec.title, color, over_minutes(curves.epochs, f"val/{name}"))]
    return chart(spec.title, lines, unit_and_direction(spec), x_label="minutes of training")


def over_minutes(curves: Mapping[str, Curve], column: str) -> Curve:
    """Return a column over the minutes of training until each epoch."""
    minutes = {epoch: seconds / 60 for epoch, seconds in curves.get("seconds", [])}
    return [(minutes[epoch], value) for epoch, value in curves.get(column, []) if epoch in minutes]
