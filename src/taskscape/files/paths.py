"""Checks of names and paths from users and files, so that nothing is written outside the intended folder."""

import errno
import os
import sys
from pathlib import Path

from taskscape.files.atomic import REMEDIES


def with_home(path: str) -> Path:
    """Return a path with a leading ``~`` replaced by the home folder, or unchanged if there is no such home folder."""
    try:
        return Path(path).expanduser()
    except RuntimeError:
        return Path(path)


def is_file_name(name: str) -> bool:
    """Return whether a name is safe as a file name: not a path, not hidden, without control characters."""
    is_plain = name.isprintable() and name.strip() == name and not name.startswith(".")
    return bool(name) and is_plain and not set(name) & set('/\\:"<>|?*')


def check_inside(folder: Path, path: Path) -> None:
    """Raise ``ValueError`` if ``path``, a file or folder in ``folder``, leads out of it through a symbolic link."""
    if not path.resolve().is_relative_to(folder.resolve()):
        link = next((p for p in (path, *path.parents) if p.is_symlink() and p != folder), path)
        raise ValueError(f"{link} leads out of {folder}: remove this link, or choose another folder")


def require_writable(folder: Path, what: str) -> None:
    """Raise ``ValueError`` if ``folder``, a folder for ``what``, cannot be written, or its first parent that exists.

    One of them may be a file, or a folder that this user must not write to.
    """
    existing = next((path for path in (folder, *folder.parents) if path.exists()), folder)
    if existing.exists() and not existing.is_dir():
        raise ValueError(f"{existing} is a file: name a folder for {what}")
    if not os.access(existing, os.W_OK | os.X_OK):
        raise ValueError(f"{existing} cannot be written to: {access_remedy(existing)}")


def require_replaceable(path: Path, start: bytes, what: str) -> None:
    """Raise ``ValueError`` if ``path`` is a file that is not a ``what``, since it does not begin with ``start``."""
    if path.is_file():
        with path.open("rb") as file:
            beginning = file.read(len(start))
        if beginning.lower() != start.lower()[: len(beginning)]:
            raise ValueError(f"{path} exists and is not a {what}, so it is not replaced: name another file with --out")


def access_remedy(path: Path) -> str:
    """Return the remedy for a path that the system denied access to: permission to enter a folder, read or write."""
    path = path.absolute()
    for folder in reversed(path.parents):
        if not os.access(folder, os.X_OK):
            return f"allow this user to enter {folder} (chmod u+x)"
    if os.access(path, os.F_OK) and not os.access(path, os.R_OK):
        return f"allow this user to read it (chmod {'u+rx' if path.is_dir() else 'u+r'})"
    if path.exists() and _is_read_only(path):
        return REMEDIES[errno.EROFS]
    return "allow this user to write there (chmod u+w), or choose another place"


def _is_read_only(path: Path) -> bool:
    """Return whether the file system of an existing path is mounted for reading only."""
    return sys.platform != "win32" and bool(os.statvfs(path).f_flag & os.ST_RDONLY)


def printable(text: str) -> str:
    """Return a text with its control characters escaped, since file names may contain such characters."""
    return "".join(c if c.isprintable() or c in "\n\t" else c.encode("unicode_escape").decode() for c in text)
