"""What proposes the trials of a sweep."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from taskscape.sweeps.trial import Trial


@dataclass(frozen=True)
class Outcome:
    """How a trial ended."""

    state: Literal["finished", "pruned", "failed"]
    value: float | None = None
    """The monitored metric, where the run is finished."""
    error: str = ""
    """Why it failed, or at which epoch it was pruned."""


class Sampler(ABC):
    """Proposes trials and is told what became of them."""

    @property
    @abstractmethod
    def count(self) -> int:
        """How many trials the sweep has in all."""

    @abstractmethod
    def past(self) -> Sequence[tuple[Trial, Outcome]]:
        """Return the trials of an earlier process that are not asked for again."""

    @abstractmethod
    def ask(self) -> Trial | None:
        """Return the next trial, which may be finished or begun already; None when there is none."""

    @abstractmethod
    def report(self, trial: Trial, epoch: int, value: float) -> bool:
        """Take the validation of an epoch, and return whether the trial is not worth continuing."""

    @abstractmethod
    def tell(self, trial: Trial, outcome: Outcome) -> None:
        """Take the outcome of a trial."""
