"""Charts of how well a run's confidence fits its errors: reliability diagrams and sparsification curves."""

from collections.abc import Mapping
from html import escape
from typing import Any

from taskscape.report.charts import COLORS, Series, chart, grid
from taskscape.report.words import heading, task_word
from taskscape.run_folder import Result

HINT = (
    "Reliability: how often predictions are right, over their predicted probability of being right; on the dashed line "
    "both are equal. Sparsification: the mean error of the remaining pixels, relative to that of all pixels, as the "
    "least confident ones are removed; the best order removes the largest errors first."
)
_REFERENCE = "var(--soft)"
"""Color of the reference lines."""


def confidence_charts(result: Result) -> str:
    """Return both charts for each task with a measured confidence; an empty string if there is none."""
    return "".join(_task_charts(task, result) for task in result.tasks if f"{task}/reliability" in result.plots)


def _task_charts(task: str, result: Result) -> str:
    word, plots = task_word(task, result.tasks), result.plots
    before, after = plots.get(f"{task}/reliability_uncalibrated"), plots[f"{task}/reliability"]
    lines = [Series("as often as predicted", _REFERENCE, [(0.0, 0.0), (100.0, 100.0)], dashed=True, dot=False)]
    if before is not None:
        lines.append(Series("before calibration", COLORS[1], _reliability(before), dashed=True))
    lines.append(Series("measured" if before is None else "calibrated", COLORS[0], _reliability(after)))
    reliability = chart(
        f"Reliability, {word}", lines, "% right", x_label="predicted probability of being right, %", from_zero=True
    )
    spec = result.specs.get(f"{task}/ece")
    text = f"<p class=hint>{escape(spec.text)}</p>" if spec is not None else ""
    sparsification = _sparsification(word, plots.get(f"{task}/sparsification"))
    return f"<h3>{escape(heading(word))}</h3>{text}" + grid([reliability, sparsification])


def _sparsification(word: str, plot: Mapping[str, Any] | None) -> str:
    if plot is None:
        return ""
    percent = [100 * share for share in plot["removed"]]
    lines = [
        Series("random order", _REFERENCE, [(percent[0], 1.0), (percent[-1], 1.0)], dashed=True, dot=False),
        Series("by confidence", COLORS[0], list(zip(percent, plot["error"], strict=True)), dot=False),
        Series("best order", COLORS[2], list(zip(percent, plot["oracle"], strict=True)), dot=False),
    ]
    return chart(f"Sparsification, {word}", lines, "relative error", x_label="pixels removed, %", from_zero=True)


def _reliability(plot: Mapping[str, Any]) -> list[tuple[float, float]]:
    """Return the mean probability and the share of right predictions of each bin that has pixels, in percent."""
    pairs = zip(plot["probability"], plot["right"], strict=True)
    return [(100 * p, 100 * r) for p, r in pairs if p is not None and r is not None]
