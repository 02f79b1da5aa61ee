"""The page about one run."""

from collections.abc import Sequence
from html import escape
from pathlib import Path

from taskscape.report import samples as gallery
from taskscape.report.charts import COLORS, Series, chart, spans_decades, steps
from taskscape.report.confusion import confusion_table
from taskscape.report.curves import curve_charts, grid
from taskscape.report.glossary import arrow, cost_text, cost_title, headlines, is_per_class, meaning, reading
from taskscape.report.html import facts, folded, page, settings_table, tiles, write
from taskscape.report.run import Run, flatten, headline
from taskscape.run_folder.result import Result, TaskInfo

AREA = "#cfcdc8"
"""What is true, behind what was predicted."""

NAMED_SETTINGS = {
    "network": "Network",
    "data": "Data",
    "weighting": "Balancing of tasks",
    "optimizer": "Optimizer",
    "epochs": "Epochs",
    "batch_size": "Batch size",
    "seed": "Seed",
}


def write_report(run: Path, split: str = "val", tta: bool = False) -> Path:
    """Write ``RUN/report/index.html`` and return its path; for another split than val, ``index-SPLIT.html``.

    With ``tta`` it is about the result of test-time augmentation, and the name of the page ends in ``-tta``. The page
    is one file without references. Raises ``ValueError`` that names what the run lacks and how to make it.
    """
    loaded = Run.load(run, split, tta)
    return write(run / "report" / f"index{loaded.ending}.html", _page(loaded))


def _page(run: Run) -> str:
    result = run.result
    samples = gallery.thin(run.samples())
    painted = [p for task in result.tasks if (p := gallery.paint(task, samples))] if samples else []
    overview = gallery.hero(samples, painted) if samples else ""
    overview += _headlines(result) + _settings(run)
    tasks = ", ".join(task.name for task in result.tasks)
    return page(
        run.name,
        "taskscape · report of a run",
        f"{tasks} from one image, measured on {result.images} images ({result.split}).",
        [
            ("Overview", "", overview),
            ("Metrics", "Arrows say whether higher or lower is better.", _metrics(result.metrics)),
            ("Curves", "Measured after every epoch.", curve_charts(run.curves)),
            (
                "Classes",
                "IoU per class in %: overlap of predicted and true area over their union. Small: share of all pixels.",
                "".join(_class_bars(task, result) for task in result.tasks),
            ),
            (
                "Confusion",
                "What the pixels of every true class (row) were taken for (column), in percent of the row.",
                "".join(_confusion(task, result) for task in result.tasks),
            ),
            ("Distance", "How depth is spread, and how errors depend on it.", _distributions(result)),
            (
                "Pictures",
                f"What is true, what was predicted, and where the two differ, on images of the split {result.split}.",
                gallery.gallery(samples, painted) if samples else "",
            ),
            ("Cost", "", tiles([(cost_title(k), *_number_and_unit(k, v)) for k, v in result.cost.items()])),
            ("Environment", "", facts(list(result.environment.items()))),
        ],
    )


def _number_and_unit(name: str, value: float) -> tuple[str, str]:
    number, _, unit = cost_text(name, value).partition(" ")
    return number, unit


def _headlines(result: Result) -> str:
    metrics = headlines(result.metrics) or [m for m in result.metrics if not is_per_class(m)][:3]
    shown = [(f"{meaning(m).title} {arrow(m)}", meaning(m).show(result.metrics[m]), meaning(m).unit) for m in metrics]
    costs = [name for name in ("parameters", "seconds_per_image") if name in result.cost]
    return tiles(shown + [(cost_title(c), *_number_and_unit(c, result.cost[c])) for c in costs])


def _settings(run: Run) -> str:
    named = [(title, headline(run.settings[key])) for key, title in NAMED_SETTINGS.items() if key in run.settings]
    return facts(named) + folded("Every setting", settings_table(flatten(run.settings)))


def _metrics(metrics: dict[str, float]) -> str:
    groups: dict[str, list[str]] = {}
    for name in metrics:
        if not is_per_class(name):
            groups.setdefault(name.split("/")[0], []).append(name)
    return '<div class="metrics">' + "".join(_metric_table(g, names, metrics) for g, names in groups.items()) + "</div>"


def _metric_table(group: str, names: Sequence[str], metrics: dict[str, float]) -> str:
    rows = ""
    for name in names:
        known = meaning(name)
        rows += (
            f'<tr><th scope=row>{escape(known.title)} <abbr title="{escape(reading(name))}">{arrow(name)}</abbr>'
            f"<small>{escape(known.text)}</small></th>"
            f"<td>{known.show(metrics[name])}<small>{escape(known.unit)}</small></td></tr>"
        )
    return f"<table><caption>{escape(group)}</caption><tbody>{rows}</tbody></table>"


def _class_bars(task: TaskInfo, result: Result) -> str:
    found = {name: result.metrics.get(f"{task.name}/iou/{name}") for name in task.classes}
    if all(value is None for value in found.values()):
        return ""
    confusion = result.figures.get(f"{task.name}/confusion", [])
    total = sum(map(sum, confusion))
    rows = ""
    for i, (name, value) in enumerate(found.items()):
        r, g, b = task.palette[i]
        width, text = ("0", "–") if value is None else (f"{value:.1f}", f"{value:.1f}")
        share = _share(sum(confusion[i]) / total) if total else ""
        rows += (
            f"<li><span>{escape(name)} <small>{share}</small></span>"
            f'<i style="--width:{width}%;--color:rgb({r},{g},{b})"></i><b>{text}</b></li>'
        )
    return f'<ul class="bars">{rows}</ul>'


def _share(part: float) -> str:
    return "< 0.1 %" if 0 < part < 0.001 else f"{100 * part:.1f} %"


def _confusion(task: TaskInfo, result: Result) -> str:
    confusion = result.figures.get(f"{task.name}/confusion")
    return confusion_table(confusion, task.classes, task.palette) if confusion else ""


def _distributions(result: Result) -> str:
    charts = []
    for task in result.tasks:
        if histogram := result.figures.get(f"{task.name}/histogram"):
            charts.append(_histogram(task.name, histogram))
        if errors := result.figures.get(f"{task.name}/error_by_distance"):
            charts += [_error_by_distance(task.name, kind, errors) for kind in ("abs", "rel") if kind in errors]
    return grid(charts) if charts else ""


def _histogram(task: str, figure: dict[str, list[float]]) -> str:
    """Draw predicted over true depth, without the empty bins at the ends."""
    counts = {name: figure[name] for name in ("true", "predicted")}
    full = [i for i, pixels in enumerate(zip(*counts.values(), strict=True)) if any(pixels)]
    if not full:
        return ""
    first, last = full[0], full[-1] + 1
    edges = figure["edges"][first : last + 1]
    lines = []
    for name, pixels in counts.items():
        percent = [100 * n / max(sum(pixels), 1) for n in pixels[first:last]]
        color = AREA if name == "true" else COLORS[0]
        lines.append(Series(name, color, steps(edges, percent), filled=name == "true", dot=False))
    log = spans_decades(edges)
    return chart(f"Distribution, {task}", lines, "% of pixels", x_label="metres", x_log=log, from_zero=True)


def _error_by_distance(task: str, kind: str, figure: dict[str, list[float]]) -> str:
    known, edges = meaning(f"{task}/{kind}"), figure["edges"]
    line = Series(known.title, COLORS[1], steps(edges, figure[kind]), dot=False)
    log = spans_decades(edges)
    return chart(
        f"{known.title} by distance", [line], known.unit, x_label="true depth, metres", x_log=log, from_zero=True
    )
