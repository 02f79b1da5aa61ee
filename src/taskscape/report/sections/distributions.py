"""Distributions of values, and errors by distance."""

from collections.abc import Mapping
from typing import Any

from taskscape.metrics.spec import MetricSpec
from taskscape.report.axis import spans_decades
from taskscape.report.charts import COLORS, Series, chart, grid, steps
from taskscape.report.sections.spread import error_boxes
from taskscape.report.words import task_word
from taskscape.run_folder import Result
from taskscape.run_folder.samples import Samples
from taskscape.views import view

AREA = "var(--area)"
"""Color of the histogram of true values, drawn behind that of predicted values."""


def distributions(result: Result, samples: Samples) -> str:
    """Draw histograms of true and predicted values, and errors by true value."""
    charts = []
    for task, modality in result.tasks.items():
        word, axis = task_word(task, result.tasks), view(modality).axis
        if histogram := result.plots.get(f"{task}/histogram"):
            charts.append(_histogram(word, axis, histogram))
        if errors := result.plots.get(f"{task}/error_by_distance"):
            metrics = {key: result.specs[f"{task}/{key}"] for key in errors if f"{task}/{key}" in result.specs}
            charts += [_error_by_distance(word, axis, spec, key, errors) for key, spec in metrics.items()]
            if f"{task}/prediction" in samples:
                parts = (samples[f"{task}/{part}"] for part in ("label", "prediction", "valid"))
                charts.append(error_boxes(word, axis, *parts))
    return grid(charts)


def _histogram(word: str, axis: str, plot: Mapping[str, Any]) -> str:
    """Draw the histogram of predicted values over that of true values, without empty bins at the ends."""
    counts = {name: plot[name] for name in ("true", "predicted")}
    occupied = [i for i, pixels in enumerate(zip(*counts.values(), strict=True)) if any(pixels)]
    if not occupied:
        return ""
    first, last = occupied[0], occupied[-1] + 1
    edges = plot["edges"][first : last + 1]
    lines = []
    for name, pixels in counts.items():
        percent = [100 * n / max(sum(pixels), 1) for n in pixels[first:last]]
        color = AREA if name == "true" else COLORS[0]
        lines.append(Series(name, color, steps(edges, percent), filled=name == "true", dot=False))
    log = spans_decades(edges)
    return chart(f"Distribution, {word}", lines, "% of pixels", x_label=axis, x_log=log, from_zero=True)


def _error_by_distance(word: str, axis: str, spec: MetricSpec, key: str, plot: Mapping[str, Any]) -> str:
    edges = plot["edges"]
    line = Series(spec.title, COLORS[1], steps(edges, plot[key]), dot=False)
    return chart(
        f"{spec.title} by distance",
        [line],
        spec.unit,
        x_label=f"true {word}, {axis}",
        x_log=spans_decades(edges),
        from_zero=True,
    )
