"""Search with Optuna: its TPE sampler learns from finished trials, its median pruner stops unpromising ones."""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from typing_extensions import override

from taskscape.sweeps.axes import Axis, Point, Range
from taskscape.sweeps.extras import require_optuna
from taskscape.sweeps.sampler import Outcome, Sampler
from taskscape.sweeps.trial import Trial

JOURNAL = "optuna.journal"
"""File in a sweep's folder that stores the study, unless a database does."""

_NO_PRUNING = 5
"""Number of first trials that are never pruned; the pruner compares later trials with their median."""


class Search(Sampler):
    """Proposes ``number`` trials. Optuna's storage keeps their state, so a search that was killed can continue.

    ``storage`` is the URL of a database, such as sqlite:///sweep.db or postgresql://…; by default a journal file in the
    sweep's folder. ``study`` is the name of the study in it. Raises ``ValueError`` if Optuna is not installed or the
    storage cannot be opened.
    """

    def __init__(
        self,
        sweep: Path,
        axes: Sequence[Axis],
        number: int,
        *,
        study: str,
        higher_is_better: bool,
        storage: str | None = None,
    ) -> None:
        optuna = _optuna()
        self.sweep, self.axes, self.number = sweep, axes, number
        self._optuna: Any = optuna
        try:
            self.study: Any = optuna.create_study(
                study_name=study,
                storage=storage or _journal(sweep / JOURNAL),
                direction="maximize" if higher_is_better else "minimize",
                pruner=optuna.pruners.MedianPruner(n_startup_trials=_NO_PRUNING, n_warmup_steps=1),
                load_if_exists=True,
            )
        except Exception as error:  # any error of a database driver
            raise ValueError(f"--storage: {storage or sweep / JOURNAL} cannot be used: {error}") from error
        states = optuna.trial.TrialState
        unfinished = self.study.get_trials(deepcopy=False, states=(states.RUNNING,))
        # Optuna has no public way to continue a trial that another process has started.
        self._unfinished = [optuna.trial.Trial(self.study, frozen._trial_id) for frozen in unfinished]  # noqa: SLF001
        self._running: dict[Path, list[Any]] = {}

    @property
    @override
    def count(self) -> int:
        return max(self.number, len(self.study.get_trials(deepcopy=False)))

    @override
    def past(self) -> Sequence[tuple[Trial, Outcome]]:
        outcomes = []
        states = self._optuna.trial.TrialState
        state_names: dict[Any, Literal["finished", "pruned", "failed"]] = {
            states.COMPLETE: "finished",
            states.PRUNED: "pruned",
            states.FAIL: "failed",
        }
        for frozen in self.study.get_trials(deepcopy=False, states=tuple(state_names)):
            value = frozen.value if frozen.state == states.COMPLETE else None
            outcome = Outcome(state_names[frozen.state], value, frozen.user_attrs.get("error", ""))
            outcomes.append((self._trial(frozen), outcome))
        return outcomes

    @override
    def ask(self) -> Trial | None:
        if self._unfinished:
            suggested = self._unfinished.pop(0)
        else:
            num_asked = len(self.study.get_trials(deepcopy=False))
            if num_asked >= self.number:
                return None
            # With a constant seed, the sampler would repeat its suggestions in the next process.
            self.study.sampler = self._optuna.samplers.TPESampler(seed=num_asked)
            suggested = self.study.ask()
        trial = self._trial(suggested)
        self._running.setdefault(trial.path, []).append(suggested)
        return trial

    @override
    def report(self, trial: Trial, epoch: int, value: float) -> bool:
        suggested = self._running[trial.path][0]
        if epoch not in self.study.get_trials(deepcopy=False)[suggested.number].intermediate_values:
            suggested.report(value, epoch)
        return bool(suggested.should_prune())

    @override
    def tell(self, trial: Trial, outcome: Outcome) -> None:
        states = self._optuna.trial.TrialState
        for suggested in self._running.pop(trial.path):
            if outcome.error:
                suggested.set_user_attr("error", outcome.error)
            if outcome.state == "finished" and outcome.value is not None:
                self.study.tell(suggested, outcome.value)
            else:
                self.study.tell(suggested, state=states.PRUNED if outcome.state == "pruned" else states.FAIL)

    def _trial(self, suggested: Any) -> Trial:
        """Return the trial of one of Optuna's suggestions, new or earlier."""
        return Trial.of(self.sweep, {axis.name: _suggestion(axis, suggested) for axis in self.axes})


def _suggestion(axis: Axis, suggested: Any) -> Point:
    parameters = suggested.params
    if isinstance(axis, Range):
        if axis.name in parameters:
            return axis.point(parameters[axis.name])
        if axis.whole:
            return axis.point(suggested.suggest_int(axis.name, int(axis.low), int(axis.high), log=axis.log))
        return axis.point(suggested.suggest_float(axis.name, axis.low, axis.high, log=axis.log))
    points = {point.label: point for point in axis.points}
    return points[
        parameters[axis.name] if axis.name in parameters else suggested.suggest_categorical(axis.name, list(points))
    ]


def _optuna() -> Any:
    require_optuna()
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
    return optuna


def _journal(file: Path) -> Any:
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    return JournalStorage(JournalFileBackend(str(file)))
