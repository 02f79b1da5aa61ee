"""The page about one run."""

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from taskscape.files.paths import check_inside
from taskscape.metrics.spec import MetricSpec
from taskscape.report import samples as gallery
from taskscape.report.charts import COLORS, Series, chart, spans_decades, steps
from taskscape.report.confusion import confusion_table
from taskscape.report.curves import curve_charts, grid
from taskscape.report.glossary import arrow, by_task, cost_text, cost_title, leading, unit_and_direction
from taskscape.report.html import facts, folded, page, settings_table, tiles, write
from taskscape.report.run import Run, flatten, headline
from taskscape.run_folder import Result
from taskscape.views import Color, view

AREA = "#cfcdc8"
"""The color of true values, behind that of predicted ones."""

NO_CLASS: Color = (120, 120, 120)
"""The bar of a class for which the view has no color."""

NAMED_SETTINGS = {
    "network": "Network",
    "data": "Data",
    "weighting": "Task balancing",
    "optimizer": "Optimizer",
    "epochs": "Epochs",
    "batch_size": "Batch size",
    "seed": "Seed",
}


def write_report(run: Path, split: str = "val", tta: bool = False) -> Path:
    """Write ``RUN/report/index.html`` and return its path; for another split than val, ``index-SPLIT.html``.

    With ``tta`` it is about the result of test-time augmentation, and the name of the page ends in ``-tta``. The page
    is a self-contained HTML file. Raises ``ValueError`` that names what the run lacks and how to make it.
    """
    loaded = Run.load(run, split, tta)
    path = loaded.folder.report(split, tta)
    check_inside(run, path.parent)
    return write(path, _page(loaded))


def _page(run: Run) -> str:
    result = run.result
    samples = gallery.subsample(run.samples())
    tasks = gallery.colorize(result.tasks, samples)
    overview = gallery.hero(samples, tasks) if samples else ""
    overview += _headlines(result) + _settings(run)
    evaluated = f"evaluated on {result.images} images ({result.split})"
    return page(
        run.name,
        "taskscape · report of a run",
        f"{', '.join(result.tasks)} from one image, {evaluated}{', with test-time augmentation' * result.tta}.",
        [
            ("Overview", "", overview),
            ("Metrics", "Arrows say whether higher or lower is better.", _metrics(result)),
            ("Curves", "Validation after every epoch.", curve_charts(run.curves, result.specs)),
            ("Classes", _about_classes(result), "".join(_class_bars(task, result) for task in result.tasks)),
            (
                "Confusion",
                "How the pixels of every true class (row) were classified (column), in percent of the row.",
                "".join(_confusion(task, result) for task in result.tasks),
            ),
            (
                "Distributions",
                "How true and predicted values are distributed, and how errors depend on the true value.",
                _distributions(result),
            ),
            (
                "Images",
                f"Labels, predictions and where the two differ, on images of the split {result.split}.",
                gallery.gallery(samples, tasks) if samples else "",
            ),
            ("Cost", "", tiles([(cost_title(k), *_number_and_unit(k, v)) for k, v in result.cost.items()])),
            ("Environment", "", facts(list(result.environment.items()))),
        ],
    )


def _number_and_unit(name: str, value: float) -> tuple[str, str]:
    number, _, unit = cost_text(name, value).partition(" ")
    return number, unit


def _headlines(result: Result) -> str:
    """Return the metrics that stand for their tasks, or the first three, and two costs."""
    metrics = _without_classes(result)
    chosen = leading(metrics, result.specs) or metrics[:3]
    numbers = [(result.specs[name], result.metrics[name]) for name in chosen]
    costs = [name for name in ("parameters", "seconds_per_image") if name in result.cost]
    return tiles(
        [(f"{spec.title} {arrow(spec)}", spec.show(value), spec.unit) for spec, value in numbers]
        + [(cost_title(c), *_number_and_unit(c, result.cost[c])) for c in costs]
    )


def _settings(run: Run) -> str:
    named = [(title, headline(run.settings[key])) for key, title in NAMED_SETTINGS.items() if key in run.settings]
    return facts(named) + folded("Every setting", settings_table(flatten(run.settings)))


def _without_classes(result: Result) -> list[str]:
    """Return the metrics that the result has, in order, without those of single classes."""
    return [name for name, spec in result.specs.items() if name in result.metrics and not spec.per_class]


def _metrics(result: Result) -> str:
    tables = (_metric_table(task, names, result) for task, names in by_task(_without_classes(result)).items())
    return f'<div class="metrics">{"".join(tables)}</div>'


def _metric_table(group: str, names: Sequence[str], result: Result) -> str:
    rows = ""
    for name in names:
        spec = result.specs[name]
        rows += (
            f'<tr><th scope=row>{escape(spec.title)} <abbr title="{escape(unit_and_direction(spec))}">{arrow(spec)}'
            f"</abbr><small>{escape(spec.text)}</small></th>"
            f"<td>{spec.show(result.metrics[name])}<small>{escape(spec.unit)}</small></td></tr>"
        )
    return f"<table><caption>{escape(group)}</caption><tbody>{rows}</tbody></table>"


def _about_classes(result: Result) -> str:
    """Return what the metrics of single classes are, ``task/METRIC/CLASS``, each once."""
    texts: dict[str, None] = {}
    for name, spec in result.specs.items():
        if spec.per_class:
            title = spec.title.removesuffix(name.split("/", 2)[2]).strip()
            texts[f"{title} in {spec.unit}: {spec.text}"] = None
    return " ".join([*texts, "Small: share of all pixels."])


def _class_bars(task: str, result: Result) -> str:
    """Return a bar per class for each metric that the task has of every class, ``task/METRIC/CLASS``."""
    lists: dict[str, dict[str, float | None]] = {}
    for name, spec in result.specs.items():
        if spec.per_class and name.startswith(f"{task}/"):
            _, metric, label = name.split("/", 2)
            lists.setdefault(metric, {})[label] = result.metrics.get(name)
    confusion = result.plots.get(f"{task}/confusion", [])
    total = sum(map(sum, confusion))
    classes = view(result.tasks[task]).classes
    shares = {name: sum(row) / total for name, row in zip(classes, confusion, strict=False) if total}
    return "".join(_bars(values, classes, shares) for values in lists.values() if set(values.values()) != {None})


def _bars(values: Mapping[str, float | None], classes: Mapping[str, Color], shares: Mapping[str, float]) -> str:
    rows = ""
    for name, value in values.items():
        r, g, b = classes.get(name, NO_CLASS)
        width, text = ("0", "–") if value is None else (f"{value:.1f}", f"{value:.1f}")
        share = _share(shares[name]) if name in shares else ""
        rows += (
            f"<li><span>{escape(name)} <small>{share}</small></span>"
            f'<i style="--width:{width}%;--color:rgb({r},{g},{b})"></i><b>{text}</b></li>'
        )
    return f'<ul class="bars">{rows}</ul>'


def _share(part: float) -> str:
    return "< 0.1 %" if 0 < part < 0.001 else f"{100 * part:.1f} %"


def _confusion(task: str, result: Result) -> str:
    confusion, classes = result.plots.get(f"{task}/confusion"), view(result.tasks[task]).classes
    return confusion_table(confusion, classes) if confusion and classes else ""


def _distributions(result: Result) -> str:
    charts = []
    for task, modality in result.tasks.items():
        axis = view(modality).axis
        if histogram := result.plots.get(f"{task}/histogram"):
            charts.append(_histogram(task, axis, histogram))
        if errors := result.plots.get(f"{task}/error_by_distance"):
            metrics = {key: result.specs[f"{task}/{key}"] for key in errors if f"{task}/{key}" in result.specs}
            charts += [_error_by_distance(task, axis, spec, key, errors) for key, spec in metrics.items()]
    return grid(charts) if charts else ""


def _histogram(task: str, axis: str, plot: Mapping[str, Any]) -> str:
    """Draw predicted over true values, without the empty bins at the ends."""
    counts = {name: plot[name] for name in ("true", "predicted")}
    full = [i for i, pixels in enumerate(zip(*counts.values(), strict=True)) if any(pixels)]
    if not full:
        return ""
    first, last = full[0], full[-1] + 1
    edges = plot["edges"][first : last + 1]
    lines = []
    for name, pixels in counts.items():
        percent = [100 * n / max(sum(pixels), 1) for n in pixels[first:last]]
        color = AREA if name == "true" else COLORS[0]
        lines.append(Series(name, color, steps(edges, percent), filled=name == "true", dot=False))
    log = spans_decades(edges)
    return chart(f"Distribution, {task}", lines, "% of pixels", x_label=axis, x_log=log, from_zero=True)


def _error_by_distance(task: str, axis: str, spec: MetricSpec, key: str, plot: Mapping[str, Any]) -> str:
    edges = plot["edges"]
    line = Series(spec.title, COLORS[1], steps(edges, plot[key]), dot=False)
    return chart(
        f"{spec.title} by distance",
        [line],
        spec.unit,
        x_label=f"true {task}, {axis}",
        x_log=spans_decades(edges),
        from_zero=True,
    )
