"""The report of one run."""

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from taskscape.files.paths import check_inside
from taskscape.metrics.spec import MetricSpec
from taskscape.report import photograph as photographs
from taskscape.report import samples as gallery
from taskscape.report.charts import COLORS, Series, chart, spans_decades, steps
from taskscape.report.columns import MISSING
from taskscape.report.confidence import HINT, confidence_charts
from taskscape.report.confusion import confusion_table
from taskscape.report.curves import Curves, curve_charts, grid, when_validated
from taskscape.report.glossary import (
    COSTS,
    arrow,
    by_task,
    cost_conditions,
    cost_text,
    cost_title,
    direction,
    leading,
    shown,
    throughput,
)
from taskscape.report.html import facts, folded, page, settings_table, tiles, warning, wide, write
from taskscape.report.modules import parameter_table
from taskscape.report.run import Run, headline
from taskscape.report.spread import error_boxes
from taskscape.report.words import heading, task_word, task_words
from taskscape.report.yardsticks import Yardstick, yardsticks
from taskscape.run_folder import Result
from taskscape.serialization import counted
from taskscape.serialization.flat import flatten
from taskscape.views import Color, view

AREA = "var(--area)"
"""Color of the histogram of true values, drawn behind that of predicted values."""

NO_CLASS: Color = (120, 120, 120)
"""Color of the bar of a class for which the view has no color."""

NAMED_SETTINGS = {
    "network": "Network",
    "data": "Data",
    "weighting": "Task balancing",
    "optimizer": "Optimizer",
    "epochs": "Epochs",
    "batch_size": "Batch size",
    "seed": "Seed",
}


def write_report(run: str | Path, split: str = "val", tta: bool | str = False) -> Path:
    """Write ``RUN/report/index.html`` and return its path; for splits other than val, ``index-SPLIT.html``.

    With ``tta`` the report shows the result with test-time augmentation, and its file name ends in ``-tta``. The report
    is a self-contained HTML file. Raises ``FileNotFoundError`` if the folder is not a run, and ``ValueError`` for a
    missing result, with the command that makes it.
    """
    run = Path(run)
    loaded = Run.load(run, split, tta)
    path = loaded.folder.report(split, tta)
    check_inside(run, path.parent)
    return write(path, _page(loaded))


def _page(run: Run) -> str:
    result = run.result
    samples = gallery.subsample(run.samples())
    tasks = gallery.colorize(result.tasks, samples)
    references = yardsticks(run)
    overview = _unfinished(run) + (gallery.hero(samples, tasks) if samples else "")
    overview += _headlines(result, references) + _settings(run)
    evaluated = f"evaluated on {counted(result.images, 'image', 'images')} ({result.split})"
    lead = f"{task_words(result.tasks)} from one image, {evaluated}{result.tta_words}."
    return page(
        run.name + (f" (unfinished: {run.unfinished})" if run.unfinished and not run.outdated else ""),
        "taskscape · report of a run",
        heading(lead),
        [
            ("Overview", "", overview),
            ("Metrics", " ".join(yardstick.text for yardstick in references), _metrics(result, references)),
            ("Curves", when_validated(run.curves), curve_charts(Curves.of(run))),
            ("Classes", _about_classes(result), "".join(_class_bars(task, result) for task in result.tasks)),
            (
                "Confusion",
                "How the pixels of each true class (row) were classified (column), in percent of the row.",
                "".join(_confusion(task, result) for task in result.tasks),
            ),
            (
                "Distributions",
                "Distributions of true and predicted values, and errors by true value.",
                _distributions(result, samples),
            ),
            ("Confidence", HINT, confidence_charts(result)),
            (
                "Images",
                f"Labels, predictions and their differences on images of the split {result.split}.",
                gallery.gallery(samples, tasks) if samples else "",
            ),
            (photographs.TITLE, photographs.TEXT, photographs.photograph(run.folder)),
            ("Cost", "", _costs(result)),
            ("Environment", "", facts(list(result.environment.items()))),
        ],
    )


def _number_and_unit(name: str, value: float) -> tuple[str, str]:
    number, _, unit = cost_text(name, value).partition(" ")
    return number, unit


def _unfinished(run: Run) -> str:
    """Return a warning if the run was trained further since its evaluation, or is unfinished; else nothing."""
    if run.outdated:
        return warning(run.outdated)
    if run.unfinished:
        return warning(f"This run is unfinished: {run.unfinished} were trained. Its metrics are preliminary.")
    return ""


def _headlines(result: Result, references: Sequence[Yardstick]) -> str:
    """Return tiles with the leading metrics, or the first three, beside their yardsticks, and with two costs."""
    metrics = shown(result.metrics, result.specs)
    numbers = []
    for name in leading(metrics, result.specs) or metrics[:3]:
        spec = result.specs[name]
        notes = [f"{spec.show(y.metrics[name])} {y.title}" for y in references if name in y.metrics]
        title = f"{spec.title} {arrow(spec)}"
        numbers.append((title, spec.show(result.metrics[name]), spec.unit, "; ".join(notes[:2])))
    return tiles(numbers + _cost_tiles(result, ("parameters", "latency")))


def _cost_tiles(result: Result, names: Sequence[str]) -> list[tuple[str, str, str, str]]:
    items = []
    for name in names:
        if name in result.cost:
            number, unit = _number_and_unit(name, result.cost[name])
            notes = [cost_conditions(name, result.environment)]
            if name == "seconds_per_image":
                notes.insert(0, throughput(result.cost[name]))
            items.append((cost_title(name), number, unit, "; ".join(filter(None, notes))))
    return items


def _costs(result: Result) -> str:
    names = dict.fromkeys((*COSTS, *result.cost))
    return tiles(_cost_tiles(result, list(names))) + parameter_table([("parameters", result.parameters)], result.tasks)


def _integer_or_zero(setting: Any) -> int:
    """Return a setting if it is an integer, else 0."""
    return setting if isinstance(setting, int) else 0


def _settings(run: Run) -> str:
    values = {key: headline(run.settings[key]) for key in NAMED_SETTINGS if key in run.settings}
    progress = run.result.progress
    if progress is not None and progress.finished and progress.epochs < _integer_or_zero(run.settings.get("epochs")):
        values["epochs"] = f"{progress.epochs}, of at most {values['epochs']}"  # time limit or early stopping
    items = [(NAMED_SETTINGS[key], value) for key, value in values.items()]
    if "tasks" in run.settings:
        items.insert(1, ("Tasks", task_words(run.result.tasks)))
    items += [(heading(key), str(text)) for key in ("note", "continued") if (text := run.settings.get(key))]
    if run.result.classes:
        items.append(("Map of classes", run.result.classes))
    if run.best_epoch is not None:
        items.append(("Weights from epoch", f"{run.best_epoch}, the best on the validation split"))
    return facts(items) + folded("All settings, by flag name", settings_table(flatten(run.settings)))


def _metrics(result: Result, references: Sequence[Yardstick]) -> str:
    groups = by_task(shown(result.metrics, result.specs)).items()
    return "".join(
        _metric_table(heading(task_word(task, result.tasks)), names, result, references) for task, names in groups
    )


def _metric_table(group: str, names: Sequence[str], result: Result, references: Sequence[Yardstick]) -> str:
    references = [yardstick for yardstick in references if yardstick.metrics.keys() & set(names)]
    heads = "".join(
        f"<th scope=col>{escape(heading(title))}</th>" for title in ("this run", *(y.title for y in references))
    )
    rows = ""
    for name in names:
        spec = result.specs[name]
        reference_values = (spec.show(y.metrics[name]) if name in y.metrics else MISSING for y in references)
        rows += (
            f"<tr><th scope=row>{escape(spec.title)} {direction(spec)}<small>{escape(spec.text)}</small></th>"
            f"<td><b>{spec.show(result.metrics[name])}</b>{_unit(spec)}</td>"
            + "".join(f"<td>{number}</td>" for number in reference_values)
            + "</tr>"
        )
    return wide(
        f'<table class="metrics"><caption>{escape(group)}</caption><thead><tr><td></td>{heads}</tr></thead>'
        f"<tbody>{rows}</tbody></table>",
        f"metrics of {group}",
    )


def _unit(spec: MetricSpec) -> str:
    return f"&nbsp;<small>{escape(spec.unit)}</small>" if spec.unit else ""


def _about_classes(result: Result) -> str:
    """Return descriptions of the per-class metrics, ``task/METRIC/CLASS``, without repetitions."""
    texts: dict[str, None] = {}
    for name, spec in result.specs.items():
        if spec.per_class:
            title = spec.title.removesuffix(name.split("/", 2)[2]).strip()
            texts[f"{title} in {spec.unit}: {spec.text}"] = None
    return " ".join([*texts, "In small print: the class's share of all labeled pixels."])


def _class_bars(task: str, result: Result) -> str:
    """Return a list of bars, one per class, for each per-class metric of the task, ``task/METRIC/CLASS``."""
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


def _distributions(result: Result, samples: gallery.Samples) -> str:
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
    return grid(charts) if charts else ""


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
