"""An executor that trains several trials at once, as a stack, in each process of another executor."""

import json
import logging
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from typing_extensions import override

from taskscape.files import atomic_write, remove_if_empty, writing
from taskscape.runs import Experiment, read_experiment
from taskscape.runs.stackable import difference, refusal, refusal_of_network
from taskscape.serialization.plain import read_json
from taskscape.sweeps.executor import ENDED, STACK, Executor

_LOGGER = logging.getLogger(__name__)


class StackedExecutor(Executor):
    """Passes stacks of up to ``most`` runs to another executor, in the order in which the runs are started.

    A run that cannot be stacked is trained alone, and a message says why; runs that cannot share a stack are in
    different stacks. ``sweep`` is the folder of the sweep; while a stack is trained, a folder in it lists its runs. A
    stack whose process is killed is resumed.
    """

    def __init__(self, executor: Executor, most: int, sweep: Path) -> None:
        self._executor, self._max_runs, self._folder = executor, most, sweep / "stacks"
        self.workers = sys.maxsize  # accept all runs, to fill the stacks
        self._waiting: list[tuple[Path, Experiment]] = []
        self._running: dict[Path, list[Path]] = {}
        """The runs of each stack by its folder; a run alone by its own folder."""
        self._tested: list[tuple[Experiment, str]] = []
        """Experiments whose networks were tested, each with the reason why it cannot be stacked, or an empty string."""

    @override
    def start(self, path: Path) -> None:
        self._waiting.append((path, read_experiment(path)))

    @override
    def ended(self) -> Sequence[tuple[Path, str]]:
        while self._waiting and len(self._running) < self._executor.workers:
            self._start(self._next())
        results = []
        for path, error in self._executor.ended():
            errors = _stack_errors(path)
            results += [(run, errors.get(str(run), error)) for run in self._running.pop(path)]
            if path.parent == self._folder:
                shutil.rmtree(path, ignore_errors=True)
        if not self._running:
            remove_if_empty(self._folder)  # it may have stacks of another process
        return results

    @override
    def stop(self, path: Path) -> None:
        raise AssertionError("runs of a grid are not stopped one by one")

    @override
    def close(self) -> None:
        self._executor.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _next(self) -> list[Path]:
        """Remove the runs of the next stack from the waiting runs, and return them."""
        first, experiment = self._waiting[0]
        stack = [first]
        if reason := refusal(experiment) or self._refusal_of_network(experiment):
            _LOGGER.warning("%s is trained alone, and not in a stack: %s", first.name, reason)
        else:
            others = (
                path for path, other in self._waiting[1:] if not (difference(experiment, other) or refusal(other))
            )
            stack += [path for path, _ in zip(others, range(self._max_runs - 1), strict=False)]
        self._waiting = [(path, other) for path, other in self._waiting if path not in stack]
        return stack

    def _refusal_of_network(self, experiment: Experiment) -> str:
        for tested, reason in self._tested:
            if not difference(tested, experiment):
                return reason
        self._tested.append((experiment, refusal_of_network(experiment)))
        return self._tested[-1][1]

    def _start(self, runs: list[Path]) -> None:
        path = runs[0]
        if len(runs) > 1:
            path = self._folder / path.name
            with writing(path):
                path.mkdir(parents=True, exist_ok=True)
            (path / ENDED).unlink(missing_ok=True)
            atomic_write(path / STACK, json.dumps([str(run) for run in runs], indent=1) + "\n")
        self._running[path] = runs
        self._executor.start(path)


def _stack_errors(stack: Path) -> dict[str, str]:
    """Return the errors of a stack's failed runs, by run folder."""
    file = stack / ENDED
    errors: dict[str, str] = read_json(file) if file.is_file() else {}
    return errors
