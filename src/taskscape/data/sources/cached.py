"""Stores that a source makes once and keeps in the cache."""

from collections.abc import Callable
from pathlib import Path

from filelock import FileLock

from taskscape.data.manifest import MANIFEST
from taskscape.files import writing


def make_once(path: Path, make: Callable[[], None]) -> None:
    """Make the store at ``path`` unless it is there; of several processes one makes it and the others wait.

    Raises ``OSError`` that names the folder and what helps where it cannot be made.
    """
    if (path / MANIFEST).exists():
        return
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        # The system gives the lock back when its holder is killed.
        lock = FileLock(path.with_name(path.name + ".lock")).acquire()
    with lock:
        if not (path / MANIFEST).exists():
            make()
