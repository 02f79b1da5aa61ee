"""Base class of samplers, which propose the trials of a sweep."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from taskscape.sweeps.trial import Trial


@dataclass(frozen=True)
class Outcome:
    """The outcome of a trial."""

    state: Literal["finished", "pruned", "failed"]
    value: float | None = None
    """The monitored metric of a finished run."""
    error: str = ""
    """Why it failed, or after which epoch it was pruned."""


class Sampler(ABC):
    """Proposes trials, and receives their outcomes."""

    @property
    @abstractmethod
    def count(self) -> int:
        """The total number of trials of the sweep."""

    @abstractmethod
    def past(self) -> Sequence[tuple[Trial, Outcome]]:
        """Return the trials that ended in an earlier process and are not proposed again."""

    @abstractmethod
    def ask(self) -> Trial | None:
        """Return the next trial, which may already be finished or started; None if there are no more."""

    @abstractmethod
    def report(self, trial: Trial, epoch: int, value: float) -> bool:
        """Record the validation metric of an epoch, and return whether to prune the trial."""

    @abstractmethod
    def tell(self, trial: Trial, outcome: Outcome) -> None:
        """Record the outcome of a trial."""
