"""The page of a sweep."""

import os
from collections.abc import Sequence
from html import escape
from pathlib import Path
from statistics import fmean, stdev

from taskscape.report.charts import COLORS, Series, chart, grid, needs_log
from taskscape.report.columns import mean_and_deviation, of_runs
from taskscape.report.glossary import arrow, cost_text, direction, leading, shown, unit_and_direction
from taskscape.report.html import folded, page, tiles, warning, wide
from taskscape.report.logged import Curve
from taskscape.report.parallel import Coordinate, parallel
from taskscape.report.sweep.table import SEED, SweepTable, SweptGroup, SweptRun
from taskscape.report.words import MISSING, heading, setting_words, task_word
from taskscape.run_folder import RunFolder
from taskscape.serialization import counted

_DRAWN = 40
"""Maximum number of settings with curves; if there are more, the best are drawn."""


def sweep_page(table: SweepTable, folder: Path) -> str:
    """Return the page; links to the reports of the runs are relative to ``folder``."""
    groups = table.groups()
    states = [run.state for run in table.runs]
    state_counts = ", ".join(f"{states.count(state)} {state}" for state in dict.fromkeys(states))
    drawn = f" of the {_DRAWN} best settings" if len(groups) > _DRAWN else ""
    missing = f"{len(table.runs)} of " if table.planned > len(table.runs) else ""
    runs = missing + counted(max(table.planned, len(table.runs)), "run", "runs")
    axes = " × ".join(map(setting_words, table.axes)) or "one experiment"
    return page(
        table.name,
        "taskscape · sweep",
        f"{runs} over {axes}: {state_counts or 'none has ended'}.",
        [
            ("Best", "", _best(table, groups)),
            (
                "Runs",
                f"Sorted by {table.spec.title}, one row per setting: mean ± standard deviation over seeds. "
                "The values of each run are in results.csv and results.json.",
                _table(table, groups, folder) + _failures(table),
            ),
            ("Settings", "One line per setting; stronger colors are better.", _parallel(table, groups)),
            ("Slices", f"{table.spec.title} over each numeric setting.", _slices(table, groups)),
            ("Curves", f"Validation over epochs; one line per run{drawn}.", _curves(table, groups)),
        ],
    )


def _best(table: SweepTable, groups: Sequence[SweptGroup]) -> str:
    best = table.best()
    if best is None:
        return warning(
            f"No finished run has the metric {table.spec.title}." if table.results else "No run is finished."
        )
    edited = ", ".join(table.edited_files())
    caution = (
        warning(f"{edited}: edited between runs of this sweep, so they do not differ in the settings alone.")
        if edited
        else ""
    )
    best_group, spec = groups[0], table.spec
    values = best_group.metric(table.monitor)
    if fewer := len(table.without_some_seeds()):
        caution += warning(
            f"{counted(fewer, 'setting has', 'settings have')} no result for some seeds, so the means are not over the "
            "same seeds: a setting may lead because its bad runs failed."
        )
    if "monitor" in table.axes:
        caution += warning(
            f"The runs choose their best epochs by different metrics, and all are ranked by {spec.title}, the monitor "
            "of the first run: runs with another monitor are at a disadvantage."
        )
    notes = [f"± {spec.show(stdev(values))} over {len(values)} runs"] if len(values) > 1 else []
    notes += [f"{share} runs"] if (share := of_runs(values, len(best_group.runs))) else []
    if best.result is not None and table.monitor in best.result.blind:
        notes.append(f"{spec.show(best.result.blind[table.monitor])} without the image")
    numbers = [(f"{spec.title} {arrow(spec)}", spec.show(fmean(values)), spec.unit, "; ".join(notes))]
    numbers += [(heading(setting_words(axis)), value, "", "") for axis, value in best_group.values.items()]
    command = " ".join(f"<span>{escape(word)}</span>" for word in best.command.split(" "))
    return caution + tiles(numbers) + f'<p class="hint">To train it again:</p><pre class="command">{command}</pre>'


def _table(table: SweepTable, groups: Sequence[SweptGroup], folder: Path) -> str:
    axes, specs = [axis for axis in table.axes if axis != SEED], table.specs
    metrics = shown({name for run in table.runs for name in run.metrics}, specs)
    metrics = [name for name in dict.fromkeys([table.monitor, *leading(metrics, specs)]) if name in specs]
    setting_heads = [escape(heading(setting_words(axis))) for axis in axes]
    number_heads = [f"{escape(specs[name].title)} {direction(specs[name])}" for name in metrics]
    number_heads += ["Training time", "Runs"]
    best = table.best()
    rows = ""
    for group in groups:
        setting_cells = [escape(group.values.get(axis, MISSING)) for axis in axes]
        cells = [mean_and_deviation(group.metric(name), specs[name].show, len(group.runs)) for name in metrics]
        cells.append(_training_time(group))
        cells.append(" ".join(_link(run, folder) for run in group.runs))
        mark = " class=best" if best is not None and best in group.runs else ""
        row = [f"<td class=setting>{value}</td>" for value in setting_cells] + [f"<td>{cell}</td>" for cell in cells]
        rows += f"<tr{mark}>{''.join(row)}</tr>"
    head = "".join(f"<th scope=col class=setting>{text}</th>" for text in setting_heads)
    head += "".join(f"<th scope=col>{text}</th>" for text in number_heads)
    return wide(f'<table class="compare"><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>', "all runs")


def _training_time(group: SweptGroup) -> str:
    """Return the mean training time of a group's runs, and how many runs at once it is for, if several."""
    seconds = [run.seconds for run in group.runs if run.seconds is not None]
    at_once = max(run.runs_at_once for run in group.runs)
    return (cost_text("seconds", fmean(seconds)) + f" for {at_once} at once" * (at_once > 1)) if seconds else MISSING


def _link(run: SweptRun, folder: Path) -> str:
    """Return a short name of a run, linked to its report if it has one."""
    report = RunFolder(run.path).report()
    seed = run.values.get(SEED, "")
    text = f"seed {seed}" if seed and len(run.values) > 1 else run.state
    if not report.is_file():
        return f'<span class="worse">{escape(run.state)}</span>' if run.state != "finished" else escape(text)
    return f'<a href="{escape(os.path.relpath(report, folder).replace(os.sep, "/"))}">{escape(text)}</a>'


def _failures(table: SweepTable) -> str:
    failed = [run for run in table.runs if run.note]
    lines = "".join(f"<p>{escape(run.path.name)}: {escape(run.state)}, {escape(run.note)}</p>" for run in failed)
    return folded(f"{counted(len(failed), 'run', 'runs')} without a result", lines)


def _parallel(table: SweepTable, groups: Sequence[SweptGroup]) -> str:
    """Draw parallel coordinates of the settings that have a result."""
    ranked = [group for group in groups if group.metric(table.monitor)]
    if len(ranked) < 2:
        return ""
    axes = [axis for axis in table.axes if axis != SEED and len({g.values.get(axis) for g in ranked}) > 1]
    if not axes:
        return ""
    coordinates = [
        Coordinate(setting_words(axis), [group.values.get(axis, MISSING) for group in ranked]) for axis in axes
    ]
    coordinates.append(Coordinate(table.spec.title, [fmean(group.metric(table.monitor)) for group in ranked]))
    ranks = [i / (len(ranked) - 1) for i in range(len(ranked))]
    return parallel(coordinates, [group.name for group in ranked], ranks)


def _slices(table: SweepTable, groups: Sequence[SweptGroup]) -> str:
    """Draw the metric over each numeric axis; a line joins settings that differ only in this axis."""
    charts = []
    for axis in (axis for axis in table.axes if axis != SEED):
        lines: dict[str, Curve] = {}
        for group in groups:
            number = _number(group.values.get(axis, ""))
            if number is None or not group.metric(table.monitor):
                continue
            other_settings = ", ".join(
                f"{setting_words(name)} {value}" for name, value in group.values.items() if name != axis
            )
            lines.setdefault(other_settings, []).append((number, fmean(group.metric(table.monitor))))
        use_colors = len(lines) <= len(COLORS)
        series = [
            Series(
                other_settings if use_colors else "",
                COLORS[i % len(COLORS)] if use_colors else COLORS[0],
                sorted(points),
            )
            for i, (other_settings, points) in enumerate(lines.items())
        ]
        numbers = [x for line in lines.values() for x, _ in line]
        if len(set(numbers)) > 1:
            note, words = unit_and_direction(table.spec), setting_words(axis)
            charts.append(chart(table.spec.title, series, note, x_label=words, x_log=max(numbers) >= 10 * min(numbers)))
    return grid(charts)


def _curves(table: SweepTable, groups: Sequence[SweptGroup]) -> str:
    """Draw the validation curves of the best settings: one color each while colors last, the others faint."""
    monitor_chart = chart(table.spec.title, _lines(groups, f"val/{table.monitor}"), unit_and_direction(table.spec))
    columns = dict.fromkeys(column for run in table.runs for column in run.curves if column.startswith("val/loss/"))
    tasks = {name: modality for result in table.results for name, modality in result.tasks.items()}
    losses = []
    for column in columns:
        lines, word = _lines(groups, column), task_word(column.removeprefix("val/loss/"), tasks)
        losses.append(chart(f"Validation loss, {word}", lines, y_log=needs_log(lines)))
    return grid([monitor_chart]) + folded("Validation losses", grid(losses))


def _lines(groups: Sequence[SweptGroup], column: str) -> list[Series]:
    """Return one line per run of the first groups."""
    lines = []
    for i, group in enumerate(groups[:_DRAWN]):
        has_own_color = i < len(COLORS)
        for j, run in enumerate(group.runs):
            color = COLORS[i] if has_own_color else "var(--yardstick)"
            label = group.name if has_own_color and j == 0 else ""
            lines.append(Series(label, color, run.curves.get(column, []), faint=not has_own_color))
    return lines


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
