"""Files of a folder that belong together: all of them are written, or none."""

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from taskscape.files.atomic import writing
from taskscape.files.lock import locked


@contextmanager
def written_together(folder: Path) -> Iterator[Path]:
    """Give an empty folder to write to, and at the end move all that is in it into ``folder``.

    Files of the same names are replaced, others stay. Whatever fails before, Ctrl-C too, leaves ``folder`` as it was,
    or not there where it was not. One process writes it at a time.

    Raises:
        ValueError: Another process writes the folder; the message says which one and what to do.
        OSError: A file cannot be written. The message names its place in ``folder``, and says what to do.
    """
    made = [path for path in (folder, *folder.parents) if not os.path.lexists(path)]
    work = folder / ".writing"
    new, old = work / "new", work / "old"
    try:
        with writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
        with locked(folder, folder / ".writing.lock"):
            try:
                with writing(folder):
                    shutil.rmtree(work, ignore_errors=True)  # a killed process left it
                    new.mkdir(parents=True)
                yield new
                _move(new, old, folder)
            except OSError as error:
                if str(new) not in str(error):
                    raise
                said = str(error).removeprefix(f"[Errno {error.errno}] ")
                raise OSError(error.errno, said.replace(str(new), str(folder))) from error
            finally:
                shutil.rmtree(work, ignore_errors=True)
    finally:
        for path in made:
            with suppress(OSError):  # something is in it
                path.rmdir()


def _move(new: Path, old: Path, folder: Path) -> None:
    """Move the files of ``new`` into ``folder``, and those in their places to ``old``; undo it where one cannot be."""
    moved: list[tuple[Path, Path]] = []
    try:
        for source in [path for path in sorted(new.rglob("*")) if not path.is_dir()]:
            name = source.relative_to(new)
            target, before = folder / name, old / name
            with writing(target):
                if target.is_dir():
                    raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
                target.parent.mkdir(parents=True, exist_ok=True)
                before.parent.mkdir(parents=True, exist_ok=True)
                if os.path.lexists(target):
                    moved.append((before, target))
                    target.replace(before)
                moved.append((target, source))
                source.replace(target)
    except BaseException:  # Ctrl-C too
        for now, earlier in reversed(moved):
            with suppress(FileNotFoundError):  # it was not moved yet
                now.replace(earlier)
        raise
