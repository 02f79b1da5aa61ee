"""What every experiment tracker is."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import ClassVar


class Tracker(ABC):
    """Sends what a run logs to another program, beside the table and the TensorBoard events in its folder.

    A class of your own is named by its file: ``--trackers my.py:MyTracker``. What it raises is logged and ends the
    tracking, never the run.
    """

    name: ClassVar[str]
    """The name on the command line and in saved experiments."""

    @classmethod
    def check(cls) -> None:
        """Raise ``ValueError`` with the remedy where what it needs is not installed; called before any work."""
        return

    @abstractmethod
    def __init__(self, folder: Path, settings: Mapping[str, str], known_as: str | None) -> None:
        """Begin to track the run in a folder.

        ``settings`` are the experiment's, as text by dotted name. ``known_as`` is the ``id`` of an earlier part of the
        run, which is continued.
        """

    @property
    @abstractmethod
    def id(self) -> str:
        """What the run is known as there."""

    @abstractmethod
    def write(self, step: int, values: Mapping[str, float]) -> None:
        """Take the values of a step, by the names of the table's columns and of the TensorBoard events."""

    def flush(self) -> None:  # noqa: B027
        """Send what waits: called at the end of an epoch and before a checkpoint is written."""

    @abstractmethod
    def close(self, finished: bool) -> None:
        """Send the rest and end; ``finished`` says whether the run has come to its end."""


def is_installed(module: str) -> bool:
    """Return whether a module can be imported; a folder of its name, such as trackers leave, is none."""
    spec = find_spec(module)
    return spec is not None and spec.origin is not None
