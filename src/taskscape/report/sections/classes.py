"""Metrics per class as bars, and confusion matrices."""

from collections.abc import Mapping
from html import escape

from taskscape.metrics.spec import MetricSpec
from taskscape.report.confusion import confusion_table
from taskscape.report.glossary import class_digits
from taskscape.report.words import MISSING
from taskscape.run_folder import Result
from taskscape.views import Color, view

NO_CLASS: Color = (120, 120, 120)
"""Color of the bar of a class for which the view has no color."""


def about_classes(result: Result) -> str:
    """Return descriptions of the per-class metrics, ``task/METRIC/CLASS``, without repetitions."""
    texts: dict[str, None] = {}
    for name, spec in result.specs.items():
        if spec.per_class:
            title = spec.title.removesuffix(name.split("/", 2)[2]).strip()
            texts[f"{title}{f' in {spec.unit}' if spec.unit else ''}: {spec.text}"] = None
    return " ".join([*texts, "In small print: the class's share of all labeled pixels."])


def class_bars(result: Result) -> str:
    """Return a list of bars, one per class, for each per-class metric of every task."""
    return "".join(_class_bars(task, result) for task in result.tasks)


def confusions(result: Result) -> str:
    """Return the confusion matrix of each task with classes."""
    tables = []
    for task, modality in result.tasks.items():
        confusion, classes = result.plots.get(f"{task}/confusion"), view(modality).classes
        if confusion and classes:
            tables.append(confusion_table(confusion, classes))
    return "".join(tables)


def _class_bars(task: str, result: Result) -> str:
    """Return a list of bars, one per class, for each per-class metric of the task, ``task/METRIC/CLASS``."""
    lists: dict[str, dict[str, float | None]] = {}
    specs: dict[str, MetricSpec] = {}
    for name, spec in result.specs.items():
        if spec.per_class and name.startswith(f"{task}/"):
            _, metric, label = name.split("/", 2)
            lists.setdefault(metric, {})[label] = result.metrics.get(name)
            specs[metric] = spec
    confusion = result.plots.get(f"{task}/confusion", [])
    total = sum(map(sum, confusion))
    classes = view(result.tasks[task]).classes
    shares = {name: sum(row) / total for name, row in zip(classes, confusion, strict=False) if total}
    return "".join(
        _bars(values, specs[metric], classes, shares)
        for metric, values in lists.items()
        if set(values.values()) != {None}
    )


def _bars(
    values: Mapping[str, float | None], spec: MetricSpec, classes: Mapping[str, Color], shares: Mapping[str, float]
) -> str:
    """Return the bars of one metric; the longest possible one is 100 %, or in another unit the largest value."""
    largest = max((abs(value) for value in values.values() if value), default=1.0)
    full, digits = (100.0 if spec.unit == "%" else largest), class_digits(spec)
    rows = ""
    for name, value in values.items():
        r, g, b = classes.get(name, NO_CLASS)
        width, text = ("0", MISSING) if value is None else (f"{100 * value / full:.1f}", f"{value:.{digits}f}")
        share = _share(shares[name]) if name in shares else ""
        rows += (
            f"<li><span>{escape(name)} <small>{share}</small></span>"
            f'<i style="--width:{width}%;--color:rgb({r},{g},{b})"></i><b>{text}</b></li>'
        )
    return f'<ul class="bars">{rows}</ul>'


def _share(part: float) -> str:
    return "< 0.1 %" if 0 < part < 0.001 else f"{100 * part:.1f} %"
