"""Base class of executors, which train the trials of a sweep."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path

STACK = "stack.json"
"""File in the folder of a stack that lists the folders of the runs to train at once."""

ENDED = "ended.json"
"""File in the folder of a stack with the errors of failed runs, by run folder."""

TRIES = 4
"""Number of times that a run whose process is killed is started or resumed before it counts as failed."""


class Executor(ABC):
    """Trains runs, ``workers`` of them at a time."""

    workers: int

    @abstractmethod
    def start(self, path: Path) -> None:
        """Start or resume the run in a folder, which contains its experiment."""

    @abstractmethod
    def ended(self) -> Sequence[tuple[Path, str]]:
        """Return the runs that have ended, each with its error or an empty string; wait briefly if there are none.

        A run whose process was killed is resumed instead, up to ``TRIES`` tries.
        """

    @abstractmethod
    def stop(self, path: Path) -> None:
        """Ask a run to stop between two steps; once stopped, ``ended`` returns it."""

    @abstractmethod
    def close(self) -> None:
        """Stop all runs, and wait until their checkpoints are written."""
