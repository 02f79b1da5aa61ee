"""Base class of experiment trackers."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import ClassVar


class Tracker(ABC):
    """Sends a run's log to another program, in addition to the table and the TensorBoard events in its folder.

    Name your own class by its file: ``--trackers my.py:MyTracker``. Exceptions of a tracker are logged and stop the
    tracking, never the run.
    """

    name: ClassVar[str]
    """The name on the command line and in saved experiments."""

    @classmethod
    def check(cls) -> None:
        """Raise ``ValueError`` with the remedy if a required package is missing; called before any work."""
        return

    @abstractmethod
    def __init__(self, folder: Path, settings: Mapping[str, str], known_as: str | None) -> None:
        """Start tracking the run in a folder.

        ``settings`` are those of the experiment, as text by dotted name. ``known_as`` is the ``id`` of an earlier part
        of the run, to be continued.
        """

    @property
    @abstractmethod
    def id(self) -> str:
        """The run's identifier in the tracker."""

    @abstractmethod
    def write(self, step: int, values: Mapping[str, float]) -> None:
        """Record the values of a step, named like the table's columns and the TensorBoard events."""

    def flush(self) -> None:  # noqa: B027
        """Send pending values; called at the end of each epoch and before a checkpoint is written."""

    @abstractmethod
    def close(self, finished: bool) -> None:
        """Send pending values and stop tracking; ``finished`` says whether the run is finished."""


def require_package(name: str) -> None:
    """Raise ``ValueError`` if a package is not installed; a mere folder of its name, as trackers create, is none."""
    spec = find_spec(name)
    if spec is None or spec.origin is None:
        raise ValueError(f"trackers: {name} is not installed: pip install 'taskscape[{name}]', or leave it out")
