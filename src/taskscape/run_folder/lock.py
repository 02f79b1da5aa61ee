"""Only one process writes a run at a time; ``run.lock`` names it."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from taskscape import files
from taskscape.run_folder.names import RunFolder


@contextmanager
def locked(folder: RunFolder) -> Iterator[None]:
    """Hold the lock of a run while its files are written (``taskscape.files.lock``); create the folder if necessary.

    A folder that is still empty at the end is removed.

    Raises:
        ValueError: Another process writes the run; the message names it and the remedy.
        OSError: The folder cannot be written.
    """
    with files.writing(folder.lock):
        folder.path.mkdir(parents=True, exist_ok=True)
    try:
        with files.locked(folder.path, folder.lock):
            for left_by_a_kill in folder.path.glob("*.part"):
                with suppress(OSError):
                    left_by_a_kill.unlink()
            yield
    finally:
        files.remove_if_empty(folder.path)
