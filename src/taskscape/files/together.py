"""Write several files of a folder as a unit: either all of them or none."""

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from taskscape.files.atomic import writing
from taskscape.files.empty import remove_if_empty
from taskscape.files.lock import locked


@contextmanager
def written_together(folder: Path) -> Iterator[Path]:
    """Yield an empty folder to write to, and move its content to ``folder`` at the end.

    Files with the same names are replaced, and other files stay. After an error or Ctrl-C, ``folder`` is unchanged, or
    removed if it did not exist before. Only one process writes the folder at a time.

    Raises:
        ValueError: Another process writes the folder; the message names it and the remedy.
        OSError: A file cannot be written. The message has its path in ``folder`` and the remedy.
    """
    created = [path for path in (folder, *folder.parents) if not os.path.lexists(path)]
    work = folder / ".writing"
    new, old = work / "new", work / "old"
    try:
        with writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
        with locked(folder, folder / ".writing.lock"):
            try:
                with writing(folder):
                    shutil.rmtree(work, ignore_errors=True)  # left by a killed process
                    new.mkdir(parents=True)
                yield new
                _move(new, old, folder)
            except OSError as error:
                if str(new) not in str(error):
                    raise
                message = str(error).removeprefix(f"[Errno {error.errno}] ")
                raise OSError(error.errno, message.replace(str(new), str(folder))) from error
            finally:
                shutil.rmtree(work, ignore_errors=True)
    finally:
        for path in created:
            remove_if_empty(path)


def _move(new: Path, old: Path, folder: Path) -> None:
    """Move the files in ``new`` to ``folder``, and the files that they replace to ``old``. Undo it after an error."""
    moved: list[tuple[Path, Path]] = []
    try:
        for source in [path for path in sorted(new.rglob("*")) if not path.is_dir()]:
            name = source.relative_to(new)
            target, backup = folder / name, old / name
            with writing(target):
                if target.is_dir():
                    raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
                target.parent.mkdir(parents=True, exist_ok=True)
                backup.parent.mkdir(parents=True, exist_ok=True)
                if os.path.lexists(target):
                    moved.append((backup, target))
                    target.replace(backup)
                moved.append((target, source))
                source.replace(target)
    except BaseException:  # Ctrl-C too
        for current, original in reversed(moved):
            with suppress(FileNotFoundError):  # it was not moved yet
                current.replace(original)
        raise
