"""The trackers of one run, kept from stopping it."""

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

from taskscape.files import atomic_write
from taskscape.run_folder import RunFolder
from taskscape.serialization import load_name, nearest
from taskscape.serialization.plain import read_json
from taskscape.trackers.base import Tracker
from taskscape.trackers.mlflow import MLflowTracker
from taskscape.trackers.wandb import WandbTracker

TRACKERS: tuple[type[Tracker], ...] = (WandbTracker, MLflowTracker)
"""The built-in trackers."""

_LOGGER = logging.getLogger(__name__)


def find_tracker(name: str) -> type[Tracker]:
    """Return the tracker class of this name, or the class that ``my.py:MyTracker`` refers to.

    Raises ``ValueError`` with the remedy if there is none or its package is not installed.
    """
    built_in = {tracker.name: tracker for tracker in TRACKERS}
    file, _, class_name = name.rpartition(":")
    tracker = load_name(Path(file), class_name) if file else built_in.get(name)
    if tracker is None:
        raise ValueError(f"trackers: there is no {name!r}{nearest(name, built_in)}")
    if not (isinstance(tracker, type) and issubclass(tracker, Tracker)):
        raise ValueError(f"trackers: {name} is not a subclass of taskscape.trackers.Tracker")
    tracker.check()
    return tracker


class Tracking:
    """Writes to all trackers of a run. If a tracker raises, the error is logged and the tracker is dropped."""

    def __init__(self, names: Sequence[str], folder: RunFolder, settings: Mapping[str, str]) -> None:
        """Start the trackers; those whose identifiers are in the run folder are continued."""
        self._trackers: dict[str, Tracker] = {}
        self._folder = folder
        earlier_ids = self._saved_ids() if names else {}
        for name in names:
            self._guarded(name, partial(self._begin, name, settings, earlier_ids.get(name)))

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """Send the values of a step."""
        for name, tracker in list(self._trackers.items()):
            self._guarded(name, partial(tracker.write, step, values))

    def flush(self) -> None:
        """Send pending values."""
        for name, tracker in list(self._trackers.items()):
            self._guarded(name, tracker.flush)

    def close(self, finished: bool) -> None:
        """Close all trackers."""
        for name, tracker in list(self._trackers.items()):
            self._guarded(name, partial(tracker.close, finished))
        self._trackers.clear()

    def _begin(self, name: str, settings: Mapping[str, str], known_as: str | None) -> None:
        self._trackers[name] = tracker = find_tracker(name)(self._folder.path, settings, known_as)
        ids = self._saved_ids() | {name: tracker.id}
        atomic_write(self._folder.trackers, json.dumps(ids, indent=1) + "\n")

    def _saved_ids(self) -> dict[str, str]:
        """Return each tracker's identifier of this run; an empty mapping for a new run."""
        with suppress(ValueError, OSError, AttributeError):
            return {str(name): str(run_id) for name, run_id in read_json(self._folder.trackers).items()}
        return {}

    def _guarded(self, name: str, work: Callable[[], None]) -> None:
        try:
            work()
        except Exception as error:  # network, disk or third-party code
            self._trackers.pop(name, None)
            _LOGGER.warning("%s stopped tracking; the run continues without it: %s", name, error)
