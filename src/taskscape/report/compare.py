"""The page about several runs side by side."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from html import escape
from pathlib import Path
from statistics import fmean

from taskscape.metrics.delta_m import LISTS, DeltaM, metrics_of
from taskscape.metrics.spec import MetricSpec
from taskscape.report.charts import Series, chart, scatter, spans_decades
from taskscape.report.columns import MISSING, best_group, color, heading, mean_and_deviation, row, table
from taskscape.report.curves import YARDSTICK, grid, losses, over_minutes, validation
from taskscape.report.differ import Difference, differ, is_task
from taskscape.report.glossary import arrow, by_task, cost_text, cost_title, leading, shown, signed, unit_and_direction
from taskscape.report.groups import (
    NO_SETTING,
    Group,
    delta_m_of,
    differences,
    first_of_each,
    group,
    single_task_groups,
)
from taskscape.report.html import facts, folded, page, warning, write
from taskscape.report.modules import parameter_table
from taskscape.report.pairs import pair_tables
from taskscape.report.run import Run
from taskscape.report.side_by_side import side_by_side
from taskscape.report.times import Times
from taskscape.report.words import heading as capital
from taskscape.report.words import setting_words, task_word
from taskscape.serialization import nearest

_SPACE = "\N{NO-BREAK SPACE}"


def write_comparison(
    runs: Sequence[str | Path],
    out: str | Path,
    *,
    split: str = "val",
    tta: bool | str = False,
    times: Times | None = None,
    last_epochs: bool = False,
    delta_m: Sequence[str] = (),
) -> Path:
    """Write the HTML file ``out``, which compares runs by their results on a split, and return its path.

    Runs that differ only in their seed become one column: mean ± standard deviation. ``times`` are measured by
    ``taskscape.runs.measure_times``; without them no times are compared. With
    ``last_epochs`` the metrics are the means of each run's last epochs (``Experiment.average_last``), not those of its
    best. ``delta_m`` are the metrics that Δm is the mean of, ``task/metric`` or a list of
    ``taskscape.metrics.delta_m.LISTS``, by default those that count by their specs. Raises ``ValueError`` for fewer
    than two runs, and for one that lacks something, with the command that makes it.
    """
    folders = list({Path(run).resolve(): Path(run) for run in runs}.values())
    if len(folders) < 2:
        raise ValueError(f"a comparison needs at least two runs, not {len(folders)}: name more run folders")
    loaded = [Run.load(run, split, tta) for run in folders]
    if last_epochs:
        loaded = [run.of_last_epochs() for run in loaded]
    return write(Path(out), _Comparison(loaded, times, metrics_of(delta_m)).page())


class _Comparison:
    """Groups of runs, and what every part of the page needs to know of them."""

    def __init__(self, runs: Sequence[Run], times: Times | None, of_delta_m: Sequence[str] = ()) -> None:
        self.groups, self.times, self.of_delta_m = group(runs), times, of_delta_m
        self.specs: Mapping[str, MetricSpec] = first_of_each(g.specs for g in self.groups)
        self.tasks = {name: modality for g in self.groups for name, modality in g.tasks.items()}
        self.difference: Difference = differ(self.groups)
        if unknown := [name for name in of_delta_m if name not in self.specs]:
            raise ValueError(
                f"delta_m: no run has the metric {unknown[0]!r}{nearest(unknown[0], self.specs)}; a list is one of "
                f"{', '.join(LISTS)}"
            )
        self.specs = {
            name: replace(spec, optional=spec.optional and name not in of_delta_m) for name, spec in self.specs.items()
        }
        self.metrics = shown({name for g in self.groups for name in g.means}, self.specs)

    def page(self) -> str:
        """Return the whole page."""
        groups = self.groups
        count = sum(len(g.runs) for g in groups)
        repeated = f" of {len(groups)} experiments: mean ± standard deviation over seeds" if count > len(groups) else ""
        result = groups[0].runs[0].result
        return page(
            " · ".join(g.name for g in groups) if len(groups) <= 3 else f"{len(groups)} networks compared",
            "taskscape · comparison of runs",
            f"{count} runs{repeated}, on the split {result.split}{result.tta_words}{self._epochs()}.",
            [
                ("What differs", "", _what_differs(self.difference)),
                (
                    "Metrics",
                    "A star marks what is better than everything else in its row by more than the spread over seeds. "
                    "Arrows say whether higher or lower is better.",
                    self._metrics() + self._delta_m_note(),
                ),
                ("Settings", "Those that are not the same everywhere.", _settings(groups)),
                ("Pairs", "Any two against each other: the differences of the same seeds.", pair_tables(groups)),
                ("Cost", "", self._costs()),
                ("Curves", "Validated after every epoch; a line per run.", self._curves()),
                ("Classes", f"Small: the change against {groups[0].name}.", self._classes()),
                (
                    "Images",
                    "What each network predicts for the same images: the first run of each column.",
                    side_by_side(groups),
                ),
            ],
        )

    def _epochs(self) -> str:
        """Say of which epochs the metrics are, where not of the best ones."""
        counts = sorted({run.last for g in self.groups for run in g.runs})
        return f"; means of the last {' or '.join(map(str, counts))} epochs" if any(counts) else ""

    # -- metrics -------------------------------------------------------------------------------------------------------

    def _metrics(self) -> str:
        yardstick = "without the image" if any(self._blind(name) for name in self.metrics) else ""
        columns = len(self.groups) + bool(yardstick)
        rows = self._delta_m_row()
        for task, names in by_task(self.metrics).items():
            rows.append(heading(capital(task_word(task, self.tasks)), columns))
            rows += [self._metric_row(name, [self._blind(name) or MISSING] if yardstick else []) for name in names]
        rows.append(heading("Cost", columns))
        rows += [self._cost_row(name) for name in ("parameters", "flops") if any(g.costs(name) for g in self.groups)]
        rows += self._time_rows()
        return table(self.groups, rows, yardstick=yardstick)

    def _blind(self, name: str) -> str:
        """Return what a predictor that ignores the image reaches; nothing where that is not known."""
        found = (run.result.baselines.get("by position", {}).get(name) for g in self.groups for run in g.runs)
        return " / ".join(dict.fromkeys(self.specs[name].show(value) for value in found if value is not None))

    def _metric_row(self, name: str, yardstick: Sequence[str]) -> str:
        spec = self.specs[name]
        values = [g.values(name) for g in self.groups]
        best = best_group(values, spec.higher_is_better, spec.show) if self.difference.comparable else set()
        cells = [mean_and_deviation(v, spec.show) for v in values]
        return row(f"{spec.title}{_SPACE}{arrow(spec)}", spec.unit, [*cells, *yardstick], best)

    def _cost_row(self, name: str) -> str:
        show = partial(cost_text, name)
        values = [g.costs(name) for g in self.groups]
        cells = [show(fmean(v)) if v else MISSING for v in values]
        return row(f"{cost_title(name)}{_SPACE}↓", "", cells)

    # -- Δm ------------------------------------------------------------------------------------------------------------

    def _delta_m(self) -> list[DeltaM | None]:
        """Return Δm of each group, where there are single-task runs of its protocol for all its tasks."""
        return [delta_m_of(g, single_task_groups(g, self.groups), self.of_delta_m) for g in self.groups]

    def _delta_m_row(self) -> list[str]:
        """Return the row of Δm, or no row where no group has one."""
        cells = [_delta_m_cell(change) for change in self._delta_m()]
        has_any = any(cell != MISSING for cell in cells)
        return [row(f"Δm against single task{_SPACE}↓", "%", cells)] if has_any else []

    def _delta_m_note(self) -> str:
        """Say what Δm is, against which runs and over which metrics; or which runs it lacks."""
        has_single = any(g.single_task for g in self.groups)
        notes = []
        for g, change in zip(self.groups, self._delta_m(), strict=True):
            single = single_task_groups(g, self.groups)
            if change:
                against = ", ".join(f"{task_word(task, g.tasks)}: {s.name}" for task, s in single.items())
                over = ", ".join(self._title(name) for name in change.metrics)
                notes.append(f"{g.name}: against {against}; over {over}.")
            elif has_single and not g.single_task:
                missing = ", ".join(task_word(task, g.tasks) for task in g.tasks if task not in single)
                why = f"no single-task run of its protocol for {missing}" if missing else "a chosen metric is missing"
                why = "it is unfinished" if g.unfinished else why
                notes.append(f"{g.name}: none, {why}.")
        if not notes:
            return ""
        return (
            '<p class="hint note">Δm is the mean over metrics of the relative change against single-task runs of the '
            "same protocol (data, encoder, epochs, optimizer, losses), signed so that + is worse and − is better.</p>"
            + folded("Which runs and metrics Δm is of", "".join(f"<p>{escape(note)}</p>" for note in notes))
        )

    def _title(self, name: str) -> str:
        return f"{self.specs[name].title} ({task_word(name.split('/')[0], self.tasks)})"

    # -- cost ----------------------------------------------------------------------------------------------------------

    def _time_rows(self) -> list[str]:
        if self.times is None:
            return []
        found = []
        for name in ("latency", "seconds_per_image"):
            show = partial(cost_text, name)
            values = [self._seconds(g, name) for g in self.groups]
            cells = [mean_and_deviation(v, show) for v in values]
            found.append(row(f"{cost_title(name)}{_SPACE}↓", "", cells))
        return found

    def _seconds(self, g: Group, name: str) -> list[float]:
        measured = {} if self.times is None else getattr(self.times, name)
        paths = [str(run.folder.path.resolve()) for run in g.runs]
        return [measured[path] for path in paths if path in measured]

    def _costs(self) -> str:
        """Draw the leading metric of each task over the cost of a prediction, and list parameters by part."""
        if self.times is None:
            about = (
                "Times are not compared: each run was measured for itself, perhaps beside other work. "
                "taskscape compare --time measures the networks in turns."
            )
        else:
            about = f"Times were measured in turns, in one process: {self.times.conditions}."
        axes = [("giga operations per image", 1e-9, [g.costs("flops") for g in self.groups])]
        if self.times is not None:
            latencies = [self._seconds(g, "latency") for g in self.groups]
            axes.append(("milliseconds for one image", 1e3, latencies))
        charts = []
        for label, factor, costs in axes:
            for name in leading(self.metrics, self.specs):
                points = [
                    (g.name, color(i), factor * fmean(cost), g.means[name])
                    for i, (g, cost) in enumerate(zip(self.groups, costs, strict=True))
                    if cost and name in g.means
                ]
                if len(points) > 1:
                    charts.append(scatter(self.specs[name].title, points, label, unit_and_direction(self.specs[name])))
        networks = [(g.name, g.runs[0].result.parameters) for g in self.groups if g.runs[0].result.parameters]
        return f"<p>{escape(about)}</p>" + (grid(charts) if charts else "") + parameter_table(networks, self.tasks)

    # -- curves --------------------------------------------------------------------------------------------------------

    def _curves(self) -> str:
        """Draw the leading metrics and the training losses; over time and the other metrics in closed parts below."""
        columns = list(dict.fromkeys(column for g in self.groups for run in g.runs for column in run.curves))
        metrics = validation(columns, self.specs)
        training = {
            f"Training loss, {task_word(name, self.tasks)}": column
            for name, stages in losses(columns).items()
            for column in stages
            if column.startswith("train/")
        }
        first = leading(metrics, self.specs)
        main = [self._metric_curves(name, metrics[name]) for name in first]
        main += [self._loss_curves(title, column) for title, column in training.items()]
        over_time = [self._metric_curves(name, metrics[name], over_time=True) for name in first]
        rest = [self._metric_curves(name, column) for name, column in metrics.items() if name not in first]
        return (
            (grid(main) if any(main) else "")
            + (folded("Over time instead of epochs, as each run took it", grid(over_time)) if any(over_time) else "")
            + (folded("Every other validation curve", grid(rest)) if any(rest) else "")
        )

    def _metric_curves(self, name: str, column: str, *, over_time: bool = False) -> str:
        spec, lines = self.specs[name], self._lines(column, over_time=over_time)
        blind = self.groups[0].runs[0].result.baselines.get("by position", {}).get(name)
        ends = [x for line in lines for x, _ in line.points]
        if blind is not None and len(set(ends)) > 1 and not over_time and spec.leads:
            yardstick = [(min(ends), blind), (max(ends), blind)]
            lines.append(Series("without the image", YARDSTICK, yardstick, dashed=True, dot=False))
        x_label = "minutes of training" if over_time else "epoch"
        return chart(spec.title, lines, unit_and_direction(spec), x_label=x_label)

    def _loss_curves(self, title: str, column: str) -> str:
        lines = self._lines(column)
        steps = column.removeprefix("train/")
        if all(len(line.points) < 2 for line in lines):  # a single epoch: its steps
            lines = [
                Series(g.name if j == 0 else "", color(i), run.steps.get(steps, []))
                for i, g in enumerate(self.groups)
                for j, run in enumerate(g.runs)
            ]
        return chart(title, lines, y_log=spans_decades([y for line in lines for _, y in line.points]))

    def _lines(self, column: str, *, over_time: bool = False) -> list[Series]:
        """Return a line per run, in the color of its group; the first of each group stands in the legend."""
        lines = []
        for i, g in enumerate(self.groups):
            curves = [
                over_minutes(run.curves, column) if over_time else run.curves[column]
                for run in g.runs
                if column in run.curves
            ]
            lines += [Series(g.name if j == 0 else "", color(i), curve) for j, curve in enumerate(curves)]
        return lines

    # -- classes -------------------------------------------------------------------------------------------------------

    def _classes(self) -> str:
        """Return the metrics per class, named ``task/metric/class``, with the change against the first group."""
        rows: list[str] = []
        previous = ""
        present = {name for g in self.groups for name in g.means}
        for name in (name for name, spec in self.specs.items() if spec.per_class and name in present):
            task, _, label = name.split("/", 2)
            title = self.specs[name].title.removesuffix(label).strip()
            head = f"{capital(task_word(task, self.tasks))}: {title}, {self.specs[name].unit}"
            if head != previous:
                previous = head
                rows.append(heading(head, len(self.groups)))
            rows.append(self._class_row(name, label))
        return table(self.groups, rows, "classes")

    def _class_row(self, name: str, label: str) -> str:
        spec, groups = self.specs[name], self.groups
        values = [g.values(name) for g in groups]
        reference = groups[0].means.get(name)
        cells = [mean_and_deviation(v, "{:.1f}".format) for v in values]
        for i, g in enumerate(groups[1:], 1):
            if reference is not None and name in g.means:
                cells[i] += _change(g.means[name] - reference, spec)
        best = best_group(values, spec.higher_is_better, "{:.1f}".format) if self.difference.comparable else set()
        return row(label, "", cells, best)


def _what_differs(difference: Difference) -> str:
    """Say what is compared and what else differs."""
    parts = []
    if difference.compared:
        parts.append(f"<p>Compared: {escape(', '.join(difference.compared))}.</p>")
    if difference.besides:
        parts.append(
            warning(
                "These runs also differ in what is listed here. A difference of metrics may come from any of it, so "
                "nothing is starred."
            )
        )
        parts.append(facts([(capital(name), " / ".join(values)) for name, values in difference.besides.items()]))
    parts += [f'<p class="hint">{escape(remark)}</p>' for remark in difference.remarks]
    return "".join(parts)


def _settings(groups: Sequence[Group]) -> str:
    rows = [
        row(f"Task: {setting_words(name)}", "", [value if value == NO_SETTING else "yes" for value in values])
        if is_task(name)
        else row(capital(setting_words(name)), "", [escape(value) for value in values])
        for name, values in differences(groups).items()
    ]
    return table(groups, rows, "words")


def _delta_m_cell(change: DeltaM | None) -> str:
    if change is None:
        return MISSING
    if round(change.percent, 2) == 0:
        return "0.00"
    return f'<span class="{"worse" if change.percent > 0 else "good"}">{signed(change.percent, 2)}</span>'


def _change(change: float, spec: MetricSpec) -> str:
    if abs(change) < 0.05:
        return " <small>0.0</small>"
    better = (change > 0) == spec.higher_is_better
    return f' <small class="{"good" if better else "worse"}">{signed(change, 1)}</small>'
