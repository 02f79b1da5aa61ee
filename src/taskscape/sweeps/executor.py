"""What trains the trials of a sweep."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path

STACK = "stack.json"
"""The file of a folder that names the folders of runs to train at once, instead of a run."""

ENDED = "ended.json"
"""The file of such a folder that says why runs failed, by their folders."""

TRIES = 4
"""How often a run is begun or resumed when its process is killed, until it counts as failed."""


class Executor(ABC):
    """Trains runs, ``workers`` of them at a time, each with ``threads`` threads."""

    workers: int
    threads: int

    @abstractmethod
    def start(self, path: Path) -> None:
        """Begin or resume the run in a folder, which holds its experiment."""

    @abstractmethod
    def ended(self) -> Sequence[tuple[Path, str]]:
        """Return the runs that have ended, each with what went wrong, if anything; wait a moment where none has.

        A run whose process was killed is resumed first, a few times.
        """

    @abstractmethod
    def stop(self, path: Path) -> None:
        """Ask a run to stop between two steps; ``ended`` will tell when it has."""

    @abstractmethod
    def close(self) -> None:
        """Stop all runs and wait for them: their checkpoints are written."""


def workers_of(workers: int | None, room: int) -> int:
    """Return how many runs to train at a time: by default as many as there is room for, at least one.

    Raises ``ValueError`` below 1.
    """
    if workers is not None and workers < 1:
        raise ValueError(f"--workers {workers} is not possible: use 1 or more")
    return workers or max(1, room)
