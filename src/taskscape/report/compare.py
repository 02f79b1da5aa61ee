"""The page about several runs side by side."""

from collections.abc import Callable, Sequence
from functools import partial
from html import escape
from pathlib import Path

import numpy as np

from taskscape.report.charts import COLORS, Series, chart, scatter, spans_decades
from taskscape.report.confusion import confusion_difference_table
from taskscape.report.curves import grid, losses, validation
from taskscape.report.glossary import (
    COSTS,
    arrow,
    cost_text,
    cost_title,
    headlines,
    is_per_class,
    meaning,
    reading,
    signed,
)
from taskscape.report.groups import Group, baselines, differences, gain, group
from taskscape.report.html import breakable, folded, page, wide, write
from taskscape.report.run import Curve, Run
from taskscape.run_folder.result import higher_is_better


def write_comparison(runs: list[Path], out: Path) -> Path:
    """Write a page, the file ``out``, that compares runs, and return its path.

    Runs that differ only in their seed become one column: mean ± standard deviation. Raises ``ValueError`` for fewer
    than two runs, and for one that lacks something, with the command that makes it.
    """
    runs = list({run.resolve(): run for run in runs}.values())
    if len(runs) < 2:
        raise ValueError(f"a comparison needs at least two runs and was given {len(runs)}; name more run folders")
    return write(out, _page(group([Run.load(run) for run in runs])))


def _page(groups: Sequence[Group]) -> str:
    count = sum(len(g.runs) for g in groups)
    repeated = count > len(groups)
    return page(
        " · ".join(g.name for g in groups) if len(groups) <= 3 else f"{len(groups)} networks compared",
        "taskscape · comparison of runs",
        f"{count} runs"
        + (f" of {len(groups)} experiments: mean ± standard deviation over seeds." if repeated else "."),
        [
            (
                "Metrics",
                "A star marks the best of each row. Arrows say whether higher or lower is better.",
                _protocol(groups) + _metrics(groups),
            ),
            ("Settings", "Only those that are not the same everywhere.", _settings(groups)),
            ("Cost", "Accuracy beside what it takes.", _costs(groups)),
            ("Curves", "Measured after every epoch; a line per run.", _curves(groups)),
            (
                "Classes",
                f"IoU per class in %; small: points more or less than {groups[0].name}.",
                _classes(groups),
            ),
            (
                "Confusion",
                f"{groups[-1].name} minus {groups[0].name}: what the pixels of every true class (row) are taken for "
                "(column), in points of percent. Green is for the better, red for the worse.",
                _confusion(groups),
            ),
        ],
    )


def _protocol(groups: Sequence[Group]) -> str:
    """Return a warning where the runs were not measured on the same images."""
    measured = {(run.result.split, run.result.images) for g in groups for run in g.runs}
    if len(measured) == 1:
        return ""
    kinds = ", ".join(f"{images} images of {split}" for split, images in sorted(measured))
    return f'<p class="warning">These runs were not measured on the same images ({escape(kinds)}).</p>'


# -- tables ------------------------------------------------------------------------------------------------------------


def _table(groups: Sequence[Group], rows: str, kind: str = "") -> str:
    head = "".join(
        f'<th scope=col><i style="--color:{_color(i)}"></i>{escape(g.name)}'
        + (f" <small>× {len(g.runs)}</small>" if len(g.runs) > 1 else "")
        + "</th>"
        for i, g in enumerate(groups)
    )
    return wide(f'<table class="compare {kind}"><thead><tr><th></th>{head}</tr></thead><tbody>{rows}</tbody></table>')


def _color(i: int) -> str:
    return COLORS[i % len(COLORS)]


def _row(title: str, note: str, cells: Sequence[str], best: set[int]) -> str:
    """Return a row of cells that are HTML."""
    marked = "".join(f'<td class="best">{c}</td>' if i in best else f"<td>{c}</td>" for i, c in enumerate(cells))
    note = f"&nbsp;<small>{escape(note)}</small>" if note else ""
    return f"<tr><th scope=row>{breakable(title)}{note}</th>{marked}</tr>"


def _numbers(values: Sequence[Sequence[float]], show: Callable[[float], str]) -> list[str]:
    """Return a cell per group: mean ± deviation."""
    return [
        "–"
        if not v
        else show(float(np.mean(v))) + (f" <small>± {show(float(np.std(v, ddof=1)))}</small>" if len(v) > 1 else "")
        for v in values
    ]


def _best(values: Sequence[Sequence[float]], higher: bool, show: Callable[[float], str]) -> set[int]:
    """Return the groups whose mean reads the same as the best; none where fewer than two have one."""
    means = {i: float(np.mean(v)) for i, v in enumerate(values) if v}
    if len(means) < 2:
        return set()
    best = show((max if higher else min)(means.values()))
    found = {i for i, mean in means.items() if show(mean) == best}
    return found if len(found) < len(means) else set()


def _metrics(groups: Sequence[Group]) -> str:
    rows = _gains(groups)
    names = dict.fromkeys(m for g in groups for run in g.runs for m in run.result.metrics if not is_per_class(m))
    for task in dict.fromkeys(name.split("/")[0] for name in names):
        rows += _heading(task, len(groups))
        for name in (name for name in names if name.split("/")[0] == task):
            known, values = meaning(name), [g.values(name) for g in groups]
            best = _best(values, higher_is_better(name), known.show)
            title = f"{known.title}\N{NO-BREAK SPACE}{arrow(name)}"
            rows += _row(title, known.unit, _numbers(values, known.show), best)
    rows += _heading("cost", len(groups))
    for name in [c for c in COSTS if any(g.costs(c) for g in groups)]:
        values = [[float(np.mean(costs))] if (costs := g.costs(name)) else [] for g in groups]
        show = partial(cost_text, name)
        rows += _row(f"{cost_title(name)}\N{NO-BREAK SPACE}↓", "", _numbers(values, show), _best(values, False, show))
    return _table(groups, rows) + _gain_note(groups)


def _heading(title: str, columns: int) -> str:
    return f'<tr class="group"><th scope=rowgroup>{escape(title)}</th><td colspan="{columns}"></td></tr>'


def _gains(groups: Sequence[Group]) -> str:
    """Return the row of Δm, where there are single-task runs to compare with."""
    single = baselines(groups)
    gains = [gain(g, single) for g in groups]
    if not any(gains):
        return ""
    lowest = min(g.percent for g in gains if g)
    several = sum(g is not None for g in gains) > 1
    best = {i for i, g in enumerate(gains) if several and g and g.percent == lowest}
    cells = [
        "–" if g is None else f'<span class="{"worse" if g.percent > 0 else "good"}">{signed(g.percent, 2)}</span>'
        for g in gains
    ]
    return _row("Δm against single task\N{NO-BREAK SPACE}↓", "%", cells, best)


def _gain_note(groups: Sequence[Group]) -> str:
    single = baselines(groups)
    gains = {g.name: found for g in groups if (found := gain(g, single))}
    if not gains:
        return ""
    against = ", ".join(f"{task}: {g.name}" for task, g in single.items())
    over = "; ".join(f"{name} over {', '.join(found.metrics)}" for name, found in gains.items())
    return (
        '<p class="hint note">Δm is the mean over metrics of the relative change against the single-task runs '
        f"({escape(against)}), signed so that + is worse and − is better.</p>"
        + folded("Which metrics Δm is the mean of", f"<p>{escape(over)}.</p>")
    )


def _settings(groups: Sequence[Group]) -> str:
    table = differences(groups)
    if not table:
        return ""
    return _table(groups, "".join(_row(k, "", [escape(v) for v in vs], set()) for k, vs in table.items()), "words")


def _classes(groups: Sequence[Group]) -> str:
    names = dict.fromkeys(m for g in groups for run in g.runs for m in run.result.metrics if is_per_class(m))
    rows = ""
    for name in names:
        values = [g.values(name) for g in groups]
        first = groups[0].mean(name)
        cells = [
            cell + _change(g.mean(name), first) if i else cell
            for i, (cell, g) in enumerate(zip(_numbers(values, "{:.1f}".format), groups, strict=True))
        ]
        rows += _row(name.split("/iou/", 1)[1], "", cells, _best(values, True, "{:.1f}".format))
    return _table(groups, rows) if rows else ""


def _change(value: float | None, reference: float | None) -> str:
    if value is None or reference is None:
        return ""
    change = value - reference
    kind = "good" if change > 0 else "worse"
    return f' <small class="{kind}">{signed(change, 1)}</small>' if abs(change) >= 0.05 else " <small>0.0</small>"


def _confusion(groups: Sequence[Group]) -> str:
    """Return the difference of two confusion matrices, where there are two groups with the same classes."""
    if len(groups) != 2:
        return ""
    tables = []
    for task in groups[0].tasks:
        key = f"{task.name}/confusion"
        found = [[run.result.figures[key] for run in g.runs if key in run.result.figures] for g in groups]
        same = any(other.name == task.name and other.classes == task.classes for other in groups[1].tasks)
        if same and all(found):
            before, after = (np.sum(matrices, axis=0) for matrices in found)
            tables.append(confusion_difference_table(before, after, task.classes, task.palette))
    return "".join(tables)


# -- charts ------------------------------------------------------------------------------------------------------------


def _costs(groups: Sequence[Group]) -> str:
    """Draw the metric that stands for each task over the time of a prediction."""
    cost, charts = "seconds_per_image", []
    for metric in headlines({m for g in groups for run in g.runs for m in run.result.metrics}):
        points = [
            (g.name, _color(i), 1e3 * float(np.mean(g.costs(cost))), value)
            for i, g in enumerate(groups)
            if (value := g.mean(metric)) is not None and g.costs(cost)
        ]
        if len(points) > 1:
            charts.append(scatter(meaning(metric).title, points, "milliseconds per image", reading(metric)))
    return grid(charts) if charts else ""


def _curves(groups: Sequence[Group]) -> str:
    runs = [run for g in groups for run in g.runs]
    columns = list(dict.fromkeys(column for run in runs for column in run.curves))
    val = validation(columns)
    first = headlines(val)
    main = [_overlaid(meaning(m).title, groups, val[m], reading(m)) for m in first]
    main += [
        _overlaid(f"Training loss, {name}", groups, column)
        for name, found in losses(columns).items()
        for column in found
        if column.startswith("train/")
    ]
    rest = [_overlaid(meaning(m).title, groups, c, reading(m)) for m, c in val.items() if m not in first]
    return (grid(main) if any(main) else "") + (folded("Every other validation curve", grid(rest)) if any(rest) else "")


def _overlaid(title: str, groups: Sequence[Group], column: str, note: str = "") -> str:
    lines = []
    for i, g in enumerate(groups):
        curves: list[Curve] = [run.curves[column] for run in g.runs if column in run.curves]
        lines += [Series(g.name if j == 0 else "", _color(i), curve) for j, curve in enumerate(curves)]
    log = note == "" and spans_decades([y for line in lines for _, y in line.points])
    return chart(title, lines, note, y_log=log)
