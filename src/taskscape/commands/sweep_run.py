"""Run a sweep whose arguments have been parsed: train its trials, write its page and print the best one."""

import json
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from taskscape.commands.experiment import named_by_flag, scaled
from taskscape.commands.required_views import require_views
from taskscape.commands.shared import if_interrupted
from taskscape.commands.sweep_flags import Options
from taskscape.commands.sweep_plan import resume_command
from taskscape.commands.sweep_words import Words
from taskscape.sweeps.axes import SEED, Values

if TYPE_CHECKING:
    from taskscape.runs import Experiment
    from taskscape.sweeps import Executor, Grid, Trial
    from taskscape.sweeps.search import Search
    from taskscape.sweeps.sweep import Monitor, Outcomes

RUNS = "runs.txt"
"""The file with the run folders of a planned sweep, one per line."""


@dataclass(frozen=True)
class SweepRun:
    """A sweep in its folder, which must be locked."""

    recipe: str
    default: "Experiment"
    """The experiment of the recipe."""
    words: Words
    options: Options
    folder: Path
    study: str
    """The name of a search in its storage."""

    def run(self) -> None:
        """Train all trials, or with ``--plan`` only write their folders."""
        if self.options.plan:
            self._plan(self._grid().trials)
            return
        from taskscape.sweeps import Sweep, run
        from taskscape.sweeps.sweep import Monitor

        first = self.experiment([word for axis in self.words.axes for word in axis.points[0].words])
        require_views(first)
        first.check()
        monitor = Monitor.of(first)
        if self.options.search is not None:
            _require_start(first)
        sampler = self._grid() if self.options.search is None else self._search(self.options.search, monitor)
        sweep = Sweep(
            sampler,
            self._executor(),
            monitor,
            build=lambda trial: self.experiment(trial.words),
            on_outcome=lambda outcomes: self._write(outcomes, monitor, sampler.count),
        )
        with if_interrupted(f"continue with {resume_command(self.folder)}"):
            outcomes = run(sweep)
        page = self._write(outcomes, monitor, len(outcomes))
        self._print_outcome(outcomes, monitor, page)

    def experiment(self, words: Sequence[str]) -> "Experiment":
        """Return the experiment of a trial."""
        experiment: Experiment = scaled(self.recipe, self.default, [*self.words.common, *words], "sweep").experiment
        return experiment

    def command(self, trial: "Trial") -> str:
        """Return the command that trains a single trial."""
        return shlex.join(["taskscape", "train", self.recipe, *self.words.common, *trial.words])

    def _grid(self) -> "Grid":
        """Return the grid. Raises ``ValueError`` for a trial that cannot start, and for one that repeats another."""
        from taskscape.run_folder import RunFolder
        from taskscape.serialization import dump
        from taskscape.sweeps import Grid

        grid = Grid(self.folder, [axis for axis in self.words.axes if isinstance(axis, Values)])
        first_trials: dict[str, Trial] = {}
        for trial in grid.trials:
            experiment = self.experiment(trial.words)
            experiment.check()
            if not RunFolder(trial.path).has_progress:
                _require_start(experiment)
            earlier = first_trials.setdefault(dump(experiment), trial)
            if earlier is not trial:
                raise ValueError(
                    f"{earlier.name} and {trial.name} are the same experiment: leave one of the values out"
                )
        return grid

    def _search(self, number: int, monitor: "Monitor") -> "Search":
        from taskscape.sweeps.search import Search

        return Search(
            self.folder,
            self.words.axes,
            number,
            study=self.study,
            higher_is_better=monitor.spec.higher_is_better,
            storage=self.options.storage,
        )

    def _executor(self) -> "Executor":
        from taskscape.sweeps import StackedExecutor

        executor = self._base_executor()
        return executor if self.options.stack is None else StackedExecutor(executor, self.options.stack, self.folder)

    def _base_executor(self) -> "Executor":
        import torch

        from taskscape.sweeps import LocalExecutor

        if self.options.on == "ray":
            from taskscape.sweeps.on_ray import RayExecutor

            return RayExecutor(self.options.workers, self.options.address, self.options.gpus_per_run)
        return LocalExecutor(self.options.workers, torch.cuda.device_count(), self.options.gpus_per_run)

    def _plan(self, trials: "Sequence[Trial]") -> None:
        """Write the folder of every trial, and a list of them."""
        from taskscape.files import atomic_write

        for trial in trials:
            trial.write(self.experiment(trial.words))
        file = self.folder / RUNS
        atomic_write(file, "".join(f"{trial.path}\n" for trial in trials))
        print(
            f"{len(trials)} run folders are written, and {file} lists them: train each with taskscape train --resume "
            f"RUN, and write the page with {resume_command(self.folder)}"
        )

    def _write(self, outcomes: "Outcomes", monitor: "Monitor", planned: int) -> Path:
        from taskscape.report.sweep import SweepTable, SweptRun, write_sweep

        runs = [
            SweptRun.read(trial.path, trial.values, outcome.state, outcome.error, self.command(trial))
            for trial, outcome in outcomes.values()
        ]
        axes = [axis.name for axis in self.words.axes]
        name = self.folder.resolve().name
        return write_sweep(SweepTable(name, runs, axes, monitor.name, monitor.spec, planned), self.folder)

    def _print_outcome(self, outcomes: "Outcomes", monitor: "Monitor", page: Path) -> None:
        """Print the outcome of the sweep. Raises ``TrainingError`` if all runs failed."""
        from taskscape.errors import TrainingError

        failed = [(trial, outcome) for trial, outcome in outcomes.values() if outcome.state == "failed"]
        if len(failed) == len(outcomes):
            what = f"all {len(failed)} runs failed, the first with the error" if len(failed) > 1 else "the run failed"
            raise TrainingError(f"{what}: {failed[0][1].error}")
        best = json.loads((self.folder / "results.json").read_text("utf-8"))["best"]
        if best is not None:
            is_mean = any(axis.name == SEED for axis in self.words.axes)
            over = " over the seeds that have a result" if failed else ""
            by = monitor.name
            if any(axis.name == "monitor" for axis in self.words.axes):
                by += ", the monitor of the first run"
            what = f"best settings by mean {by}{over}, first run" if is_mean else f"best by {by}"
            print(f"{what}: {best['run']}\n  {best['command']}")
        if failed:
            hint = f"; {resume_command(self.folder)} tries again" if self.options.search is None else ""
            print(f"{len(failed)} of {len(outcomes)} runs failed{hint}")
        print(f"sweep: {self.folder}\npage: {page}")


def _require_start(experiment: "Experiment") -> None:
    """Raise ``ValueError`` if an experiment cannot start from the weights of ``--from``."""
    from taskscape.runs.start import Start

    with named_by_flag():
        Start.of(experiment)
