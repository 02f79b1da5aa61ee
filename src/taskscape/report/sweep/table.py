"""The runs of a sweep as a table, averaged over seeds, with the best settings first."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean
from typing import Any

from taskscape.metrics.spec import MetricSpec
from taskscape.report.logged import Curve, read_curves
from taskscape.report.run import Run
from taskscape.report.words import setting_words
from taskscape.run_folder import Result, RunFolder

SEED = "seed"
"""The axis to average over."""


@dataclass(frozen=True)
class SweptRun:
    """A run of a sweep, with its result if it has one."""

    path: Path
    values: Mapping[str, str]
    """The run's value on each axis; the seed is an axis too."""
    state: str
    """finished, pruned, failed or unfinished."""
    note: str
    """Why it failed, when it was pruned, or that its result was deleted."""
    command: str
    """The command that trains this run alone."""
    curves: Mapping[str, Curve]
    """By column of ``metrics.csv``, over epochs."""
    result: Result | None = None
    """None if the run is not finished."""
    code: Mapping[str, str] = field(default_factory=dict)
    """The checksum of each of the user's files that it was trained with."""

    @classmethod
    def read(cls, path: Path, values: Mapping[str, str], state: str, note: str, command: str) -> "SweptRun":
        """Read a run's result from its folder; only its curves if it is not finished, or if its result was deleted."""
        folder = RunFolder(path)
        if state != "finished" or not folder.result().is_file():
            note = "its result was deleted" if state == "finished" else note
            return cls(path, values, state, note, command, read_curves(folder))
        run = Run.load(path)
        return cls(path, values, state, note, command, run.curves, run.result, run.code)

    @property
    def metrics(self) -> Mapping[str, float]:
        """The metrics; empty if the run is not finished."""
        return {} if self.result is None else self.result.metrics

    @property
    def seconds(self) -> float | None:
        """Training time, which is that of ``runs_at_once`` runs together; None if the run is not finished."""
        return None if self.result is None else self.result.cost.get("seconds")

    @property
    def runs_at_once(self) -> int:
        """The number of runs that were trained together."""
        return 1 if self.result is None else int(self.result.environment.get("runs at once", 1))


@dataclass(frozen=True)
class SweepTable:
    """The runs of a sweep, and the metric that ranks them."""

    name: str
    runs: Sequence[SweptRun]
    axes: Sequence[str]
    monitor: str
    spec: MetricSpec
    planned: int = 0
    """The number of runs of the whole sweep; more than ``runs`` until each of them has ended."""

    @property
    def results(self) -> list[Result]:
        """The results of the finished runs."""
        return [run.result for run in self.runs if run.result is not None]

    @property
    def specs(self) -> dict[str, MetricSpec]:
        """The specs of all metrics; those of the first run that has the metric."""
        return {name: spec for result in reversed(self.results) for name, spec in result.specs.items()}

    def groups(self) -> list["SweptGroup"]:
        """Group runs that differ only in their seed; the best group is first, groups without a result are last."""
        repetitions: dict[tuple[tuple[str, str], ...], list[SweptRun]] = {}
        for run in self.runs:
            repetitions.setdefault(
                tuple((axis, value) for axis, value in run.values.items() if axis != SEED), []
            ).append(run)
        sign = -1 if self.spec.higher_is_better else 1
        groups = [SweptGroup(dict(values), runs) for values, runs in repetitions.items()]
        return sorted(groups, key=lambda g: (not g.metric(self.monitor), sign * fmean(g.metric(self.monitor) or [0.0])))

    def best(self) -> SweptRun | None:
        """Return the first run of the settings with the best mean; None if no run has the metric that ranks them."""
        return next((run for group in self.groups()[:1] for run in group.runs if self.monitor in run.metrics), None)

    def without_some_seeds(self) -> list["SweptGroup"]:
        """Return the ranked groups that lack a value for a seed of the others, so their means are of fewer seeds."""
        seeds = [(group, group.seeds(self.monitor)) for group in self.groups() if group.metric(self.monitor)]
        all_seeds = set().union(*(found for _, found in seeds))
        return [group for group, found in seeds if found != all_seeds]

    def edited_files(self) -> list[str]:
        """Return the user's files that were edited between runs."""
        versions: dict[str, set[str]] = {}
        for run in self.runs:
            for file, checksum in run.code.items():
                versions.setdefault(file, set()).add(checksum)
        return [file for file, checksums in versions.items() if len(checksums) > 1]

    def rows(self) -> list[dict[str, Any]]:
        """Return a row of plain values per run: folder name, values of the axes, state, metrics and time."""
        rows = []
        for run in self.runs:
            row: dict[str, Any] = {"run": run.path.name, **{axis: run.values.get(axis) for axis in self.axes}}
            row |= {"state": run.state, "note": run.note}
            if run.result is not None:
                row |= {name: run.metrics[name] for name in run.result.specs if name in run.metrics}
            rows.append(row | {"seconds": run.seconds, "runs_at_once": run.runs_at_once, "command": run.command})
        return rows


@dataclass(frozen=True)
class SweptGroup:
    """Runs of the same settings, one per seed."""

    values: Mapping[str, str]
    runs: Sequence[SweptRun]

    @property
    def name(self) -> str:
        """The settings in words."""
        return ", ".join(f"{setting_words(axis)} {value}" for axis, value in self.values.items()) or "all runs"

    def metric(self, name: str) -> list[float]:
        """Return the values of a metric, one for each run that has it."""
        return [run.metrics[name] for run in self.runs if name in run.metrics]

    def seeds(self, name: str) -> set[str]:
        """Return the seeds of the runs that have a metric."""
        return {run.values.get(SEED, "") for run in self.runs if name in run.metrics}
