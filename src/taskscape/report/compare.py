"""The page about several runs side by side."""

from collections.abc import Mapping, Sequence
from functools import partial
from html import escape
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np

from taskscape.metrics.delta_m import DeltaM
from taskscape.metrics.spec import MetricSpec
from taskscape.report.charts import Series, chart, scatter, spans_decades
from taskscape.report.columns import MISSING, best_groups, color, heading, mean_and_deviation, row, table
from taskscape.report.confusion import confusion_difference_table
from taskscape.report.curves import grid, losses, validation
from taskscape.report.glossary import (
    COSTS,
    arrow,
    by_task,
    cost_text,
    cost_title,
    leading,
    signed,
    unit_and_direction,
)
from taskscape.report.groups import Group, delta_m_of, differences, first_of_each, group, single_task_groups
from taskscape.report.html import folded, page, write
from taskscape.report.run import Run
from taskscape.views import view

_SPACE = "\N{NO-BREAK SPACE}"


def write_comparison(runs: Sequence[Path], out: Path) -> Path:
    """Write the HTML file ``out``, which compares runs, and return its path.

    Runs that differ only in their seed become one column: mean ± standard deviation. Raises ``ValueError`` for fewer
    than two runs, and for one that lacks something, with the command that makes it.
    """
    runs = list({run.resolve(): run for run in runs}.values())
    if len(runs) < 2:
        raise ValueError(f"a comparison needs at least two runs, not {len(runs)}: name more run folders")
    return write(out, _page(group([Run.load(run) for run in runs])))


def _page(groups: Sequence[Group]) -> str:
    first, last = groups[0], groups[-1]
    count = sum(len(g.runs) for g in groups)
    specs = first_of_each(g.specs for g in groups)
    repeated = f" of {len(groups)} experiments: mean ± standard deviation over seeds" if count > len(groups) else ""
    return page(
        " · ".join(g.name for g in groups) if len(groups) <= 3 else f"{len(groups)} networks compared",
        "taskscape · comparison of runs",
        f"{count} runs{repeated}.",
        [
            (
                "Metrics",
                "A star marks the best of each row. Arrows say whether higher or lower is better.",
                _other_images(groups) + _metrics(groups, specs) + _delta_m_note(groups),
            ),
            ("Settings", "Those that are not the same everywhere.", _settings(groups)),
            ("Cost", "The leading metric of each task over the time of a prediction.", _costs(groups, specs)),
            ("Curves", "Validated after every epoch; a line per run.", _curves(groups, specs)),
            ("Classes", f"Small: the change against {first.name}.", _classes(groups, specs)),
            (
                "Confusion",
                f"{last.name} minus {first.name}: how the pixels of every true class (row) are predicted (column), in "
                "percentage points. Green is better, red is worse.",
                _confusion(first, last) if len(groups) == 2 else "",
            ),
        ],
    )


def _other_images(groups: Sequence[Group]) -> str:
    """Return a warning where the runs were not evaluated on the same images."""
    evaluated = {(run.result.split, run.result.images) for g in groups for run in g.runs}
    if len(evaluated) == 1:
        return ""
    kinds = ", ".join(f"{images} images of {split}" for split, images in sorted(evaluated))
    return f'<p class="warning">These runs were not evaluated on the same images ({escape(kinds)}).</p>'


# -- tables ------------------------------------------------------------------------------------------------------------


def _metrics(groups: Sequence[Group], specs: Mapping[str, MetricSpec]) -> str:
    rows = _delta_m_row(groups)
    for task, names in by_task(_names(groups, specs, per_class=False)).items():
        rows.append(heading(task, len(groups)))
        rows += [_metric_row(groups, name, specs[name]) for name in names]
    rows.append(heading("cost", len(groups)))
    rows += [_cost_row(groups, name) for name in COSTS if any(g.costs(name) for g in groups)]
    return table(groups, rows)


def _names(groups: Sequence[Group], specs: Mapping[str, MetricSpec], *, per_class: bool) -> list[str]:
    """Return the metrics that any run has."""
    present = {name for g in groups for name in g.means}
    return [name for name, spec in specs.items() if name in present and spec.per_class == per_class]


def _metric_row(groups: Sequence[Group], name: str, spec: MetricSpec) -> str:
    values = [g.values(name) for g in groups]
    best = best_groups(values, spec.higher_is_better, spec.show)
    cells = [mean_and_deviation(v, spec.show) for v in values]
    return row(f"{spec.title}{_SPACE}{arrow(spec)}", spec.unit, cells, best)


def _cost_row(groups: Sequence[Group], name: str) -> str:
    show = partial(cost_text, name)
    values = [g.costs(name) for g in groups]
    cells = [show(fmean(v)) if v else MISSING for v in values]
    return row(f"{cost_title(name)}{_SPACE}↓", "", cells, best_groups(values, False, show))


def _delta_m(groups: Sequence[Group]) -> list[DeltaM | None]:
    """Return Δm of each group, where there are single-task runs to compare with."""
    single = single_task_groups(groups)
    return [delta_m_of(g, single) for g in groups]


def _delta_m_row(groups: Sequence[Group]) -> list[str]:
    """Return the row of Δm, or no row where no group has one."""
    changes = _delta_m(groups)
    if not any(changes):
        return []
    percents = [[change.percent] if change else [] for change in changes]
    best = best_groups(percents, False, partial(signed, digits=2))
    return [row(f"Δm against single task{_SPACE}↓", "%", [_delta_m_cell(change) for change in changes], best)]


def _delta_m_cell(change: DeltaM | None) -> str:
    if change is None:
        return MISSING
    if round(change.percent, 2) == 0:
        return "0.00"
    return f'<span class="{"worse" if change.percent > 0 else "good"}">{signed(change.percent, 2)}</span>'


def _delta_m_note(groups: Sequence[Group]) -> str:
    """Say what Δm is, against which runs and over which metrics."""
    changes = {g.name: change for g, change in zip(groups, _delta_m(groups), strict=True) if change}
    if not changes:
        return ""
    against = ", ".join(f"{task}: {g.name}" for task, g in single_task_groups(groups).items())
    over = "; ".join(f"{name} over {', '.join(change.metrics)}" for name, change in changes.items())
    return (
        '<p class="hint note">Δm is the mean over metrics of the relative change against the single-task runs '
        f"({escape(against)}), signed so that + is worse and − is better.</p>"
        + folded("Which metrics Δm is the mean of", f"<p>{escape(over)}.</p>")
    )


def _settings(groups: Sequence[Group]) -> str:
    rows = [row(name, "", [escape(value) for value in values]) for name, values in differences(groups).items()]
    return table(groups, rows, "words")


def _classes(groups: Sequence[Group], specs: Mapping[str, MetricSpec]) -> str:
    """Return the metrics per class, named ``task/metric/class``, with the change against the first group."""
    rows: list[str] = []
    previous = ""
    for name in _names(groups, specs, per_class=True):
        task, metric, label = name.split("/", 2)
        if f"{task}/{metric}" != previous:
            previous = f"{task}/{metric}"
            rows.append(heading(f"{previous}, {specs[name].unit}", len(groups)))
        rows.append(_class_row(groups, name, label, specs[name]))
    return table(groups, rows)


def _class_row(groups: Sequence[Group], name: str, label: str, spec: MetricSpec) -> str:
    values = [g.values(name) for g in groups]
    reference = groups[0].means.get(name)
    cells = [mean_and_deviation(v, "{:.1f}".format) for v in values]
    for i, g in enumerate(groups[1:], 1):
        if reference is not None and name in g.means:
            cells[i] += _change(g.means[name] - reference, spec)
    return row(label, "", cells, best_groups(values, spec.higher_is_better, "{:.1f}".format))


def _change(change: float, spec: MetricSpec) -> str:
    if abs(change) < 0.05:
        return " <small>0.0</small>"
    better = (change > 0) == spec.higher_is_better
    return f' <small class="{"good" if better else "worse"}">{signed(change, 1)}</small>'


def _confusion(before: Group, after: Group) -> str:
    """Return the differences of the confusion matrices of the tasks whose classes are the same in both groups."""
    tables = []
    for task, modality in before.tasks.items():
        matrices = [_confusion_matrices(g, task) for g in (before, after)]
        if after.tasks.get(task) == modality and all(matrices):
            old, new = (np.sum(of_runs, axis=0) for of_runs in matrices)
            tables.append(confusion_difference_table(old, new, view(modality).classes))
    return "".join(tables)


def _confusion_matrices(g: Group, task: str) -> list[Any]:
    key = f"{task}/confusion"
    return [run.result.plots[key] for run in g.runs if key in run.result.plots]


# -- charts ------------------------------------------------------------------------------------------------------------


def _costs(groups: Sequence[Group], specs: Mapping[str, MetricSpec]) -> str:
    """Draw the leading metric of each task over the time of a prediction."""
    charts = []
    for name in leading(_names(groups, specs, per_class=False), specs):
        points = [
            (g.name, color(i), 1e3 * fmean(seconds), g.means[name])
            for i, g in enumerate(groups)
            if (seconds := g.costs("seconds_per_image")) and name in g.means
        ]
        if len(points) > 1:
            note = unit_and_direction(specs[name])
            charts.append(scatter(specs[name].title, points, "milliseconds per image", note))
    return grid(charts) if charts else ""


def _curves(groups: Sequence[Group], specs: Mapping[str, MetricSpec]) -> str:
    """Draw the leading metrics and the training losses; the other metrics are in a closed part below."""
    columns = list(dict.fromkeys(column for g in groups for run in g.runs for column in run.curves))
    metrics = validation(columns, specs)
    training = {
        f"Training loss, {name}": column
        for name, stages in losses(columns).items()
        for column in stages
        if column.startswith("train/")
    }
    first = leading(metrics, specs)
    main = [_metric_curves(groups, specs[name], metrics[name]) for name in first]
    main += [_loss_curves(groups, title, column) for title, column in training.items()]
    rest = [_metric_curves(groups, specs[name], column) for name, column in metrics.items() if name not in first]
    return (grid(main) if any(main) else "") + (folded("Every other validation curve", grid(rest)) if any(rest) else "")


def _metric_curves(groups: Sequence[Group], spec: MetricSpec, column: str) -> str:
    return chart(spec.title, _lines(groups, column), unit_and_direction(spec))


def _loss_curves(groups: Sequence[Group], title: str, column: str) -> str:
    lines = _lines(groups, column)
    return chart(title, lines, y_log=spans_decades([y for line in lines for _, y in line.points]))


def _lines(groups: Sequence[Group], column: str) -> list[Series]:
    """Return a line per run, in the color of its group; the first of each group stands in the legend."""
    lines = []
    for i, g in enumerate(groups):
        curves = [run.curves[column] for run in g.runs if column in run.curves]
        lines += [Series(g.name if j == 0 else "", color(i), curve) for j, curve in enumerate(curves)]
    return lines
