"""Folders that are made once and shared by all runs: cached stores and encoder features."""

import logging
from collections.abc import Callable
from pathlib import Path

from filelock import FileLock, Timeout

from taskscape.data.manifest import MANIFEST
from taskscape.files import writing

_LOGGER = logging.getLogger(__name__)


def make_once(path: Path, make: Callable[[], None], last: str = MANIFEST) -> None:
    """Make the folder at ``path`` unless it exists; if several processes need it, one makes it and the others wait.

    ``last`` is the file that ``make`` writes last. Raises ``OSError`` that names the folder and the remedy if it cannot
    be made.
    """
    if (path / last).exists():
        return
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        # The system releases the lock when its holder is killed.
        lock = FileLock(path.with_name(path.name + ".lock"))
        try:
            held = lock.acquire(timeout=0)
        except Timeout:
            _LOGGER.info("another process is making %s: waiting for it", path)
            held = lock.acquire()
    with held:
        if not (path / last).exists():
            make()
