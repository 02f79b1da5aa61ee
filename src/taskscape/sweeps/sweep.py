"""The sweep loop: an executor trains the trials that a sampler proposes."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rich.progress import Progress

from taskscape.data.sources import Preview
from taskscape.metrics.spec import MetricSpec
from taskscape.progress import progress_bar
from taskscape.run_folder import Result, RunFolder
from taskscape.runs import Experiment
from taskscape.runs.experiment import task_for
from taskscape.runs.same_settings import require_same_settings
from taskscape.sweeps.executor import Executor
from taskscape.sweeps.sampler import Outcome, Sampler
from taskscape.sweeps.trial import Trial, is_done
from taskscape.training.selection import BestEpoch, declared_metrics

_LOGGER = logging.getLogger(__name__)

Outcomes = dict[Path, tuple[Trial, Outcome]]
"""Trials and their outcomes, by run folder."""


@dataclass(frozen=True)
class Monitor:
    """The metric that compares trials: on the validation split, after a run's best epoch."""

    name: str
    spec: MetricSpec

    @classmethod
    def of(cls, experiment: Experiment) -> "Monitor":
        """Return the metric that selects the best epoch of the experiment's run."""
        preview: Preview | None = experiment.data.preview()
        if preview is not None:
            tasks = experiment.tasks.items()
            data_tasks = {name: task_for(name, task, preview.fields, preview.where) for name, task in tasks}
            experiment = replace(experiment, tasks=data_tasks)
        name = BestEpoch(experiment.tasks, experiment.monitor).name
        return cls(name, declared_metrics(experiment.tasks)[name])

    def value(self, path: Path) -> float | None:
        """Return the metric of a finished run, or None if it has none."""
        return Result.load(RunFolder(path).result()).metrics.get(self.name)

    def curve(self, path: Path) -> dict[int, float]:
        """Return the metric of a run's validations so far, by epoch number."""
        column = f"val/{self.name}"
        return {int(row["epoch"]): float(row[column]) for row in RunFolder(path).table() if column in row}


@dataclass(frozen=True)
class Sweep:
    """A sweep to ``run``."""

    sampler: Sampler
    executor: Executor
    monitor: Monitor
    build: Callable[[Trial], Experiment]
    """Returns the experiment of a trial."""
    on_outcome: Callable[[Outcomes], object] = lambda outcomes: None
    """Called after each new outcome, with all outcomes so far."""


def run(sweep: Sweep) -> Outcomes:
    """Train all trials and return their outcomes. A trial that fails does not end the sweep.

    On an interrupt, the runs stop between two steps and write their checkpoints; a further call with the same sampler
    settings continues the sweep. Raises ``ValueError`` if the data or settings of a run have changed since.
    """
    return _Loop(sweep).run()


class _Loop:
    def __init__(self, sweep: Sweep) -> None:
        self.sampler, self.executor, self.monitor = sweep.sampler, sweep.executor, sweep.monitor
        self.sweep = sweep
        self.outcomes: Outcomes = {trial.path: (trial, outcome) for trial, outcome in self.sampler.past()}
        self.running: dict[Path, Trial] = {}
        self.reported_epochs: dict[Path, int] = {}
        """The last epoch of each running trial that was reported to the sampler."""
        self.modified_times: dict[Path, int] = {}
        """Modification time of the metrics table of each running trial when it was last read."""
        self.pruned: dict[Path, int] = {}
        """The epoch at which each pruned trial was stopped."""

    def run(self) -> Outcomes:
        with progress_bar() as progress:
            bar = progress.add_task("runs", total=self.sampler.count, completed=len(self.outcomes))
            try:
                self._run(progress, lambda: progress.update(bar, completed=len(self.outcomes)))
            finally:
                self.executor.close()
        return self.outcomes

    def _run(self, progress: Progress, show: Callable[[], None]) -> None:
        while True:
            while len(self.running) < self.executor.workers and (trial := self.sampler.ask()) is not None:
                self._begin(trial, progress)
                show()
            if not self.running:
                return
            for path, error in self.executor.ended():
                self._end(self.running.pop(path), error, progress)
                show()
            self._watch()

    def _begin(self, trial: Trial, progress: Progress) -> None:
        """Start a trial, unless it is running or finished."""
        if trial.path in self.running:  # proposed twice: the sampler records the outcome for both
            return
        experiment = self.sweep.build(trial)
        if is_done(trial.path):
            require_same_settings(RunFolder(trial.path), experiment)
            self._end(trial, "", progress)
            return
        trial.write(experiment)
        self.running[trial.path] = trial
        self.executor.start(trial.path)

    def _end(self, trial: Trial, error: str, progress: Progress) -> None:
        if is_done(trial.path):
            outcome = Outcome("finished", self.monitor.value(trial.path))
            text = "no value" if outcome.value is None else self.monitor.spec.show(outcome.value)
            summary = f"{self.monitor.name} {text}"
        elif trial.path in self.pruned:
            outcome = Outcome("pruned", error=f"after epoch {self.pruned[trial.path]}")
            summary = f"pruned {outcome.error}"
        else:
            outcome = Outcome("failed", error=error or "it ended without a result")
            summary = f"failed: {outcome.error}"
        self.sampler.tell(trial, outcome)
        if outcome.state == "pruned" and not self.sweep.build(trial).keep_checkpoint:
            RunFolder(trial.path).checkpoint.unlink(missing_ok=True)
        self.outcomes[trial.path] = trial, outcome
        progress.console.print(f"{trial.name}: {summary}", markup=False, highlight=False, soft_wrap=True)
        self.sweep.on_outcome(self.outcomes)

    def _watch(self) -> None:
        """Report new validations to the sampler, and stop the trials that it prunes."""
        for path, trial in self.running.items():
            if path in self.pruned:
                continue
            for epoch, value in self._new_values(path):
                self.reported_epochs[path] = epoch
                if self.sampler.report(trial, epoch, value):
                    self.pruned[path] = epoch
                    self.executor.stop(path)
                    break

    def _new_values(self, path: Path) -> Sequence[tuple[int, float]]:
        """Return the epochs, with their metric, that were not yet reported to the sampler."""
        file = RunFolder(path).metrics
        modified = file.stat().st_mtime_ns if file.exists() else 0
        if modified == self.modified_times.get(path, 0):
            return []
        self.modified_times[path], last = modified, self.reported_epochs.get(path, -1)
        return [(epoch, value) for epoch, value in self.monitor.curve(path).items() if epoch > last]
