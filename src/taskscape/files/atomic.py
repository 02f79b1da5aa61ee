"""Atomic writes: whenever the process ends, a file has either its old or its new content."""

import errno
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

REMEDIES = {
    errno.ENOSPC: "make room",
    errno.EDQUOT: "make room, or ask for a larger quota",
    errno.EFBIG: "raise the limit on the size of files (ulimit -f)",
    errno.EACCES: "allow this user to write there (chmod u+w)",
    errno.EPERM: "allow this user to write there",
    errno.EROFS: "make the file system writable, or choose another folder",
    errno.ENOENT: "its folder was removed or moved: bring it back",
    errno.ENOTDIR: "a part of this path is a file, not a folder: choose another folder",
    errno.EISDIR: "a folder is in its place: move it away",
    errno.ENAMETOOLONG: "choose a shorter name",
    errno.EIO: "the disk reports a fault: check it, or choose another one",
    errno.EEXIST: "a file is in its place: move it away, or choose another name",
    errno.EMFILE: "close files, or raise the limit on open files (ulimit -n)",
    errno.ESTALE: "the network file system lost the folder: mount it again",
}
"""Remedies by the operating system's error number."""


def atomic_write(path: Path, content: bytes | memoryview | str, durable: bool = True) -> None:
    """Write a file to a temporary path and move it into place, so that it always has its old or its new content.

    Text is encoded as UTF-8. An existing symbolic link is replaced, never followed. If several processes write the same
    file, the last one wins. Without ``durable``, the content may be lost in a power failure, but the wait for the disk,
    some milliseconds per file, is avoided. Raises ``OSError`` with the file and the remedy.
    """
    data = content.encode() if isinstance(content, str) else content
    suffix = f".{os.getpid()}-{threading.get_ident()}.part"
    with writing(path):
        if not _write(path.with_name(f"{path.name}.part"), data, path, durable):  # another process is writing it
            _write(path.with_name(f"{path.name}{suffix}"), data, path, durable)


def _write(temporary: Path, content: bytes | memoryview, path: Path, durable: bool) -> bool:
    """Write a temporary file and move it to ``path``. Return False if another process is using the temporary file."""
    if _is_held(temporary):
        return False
    try:
        temporary.unlink(missing_ok=True)  # left by a killed process
        with temporary.open("xb") as file:
            _hold(file)
            file.write(content)
            file.flush()
            if durable:
                os.fsync(file.fileno())
            if not is_at(temporary, file.fileno()):  # another process took it for a leftover before it was locked
                return False
            if sys.platform == "win32":  # open files cannot be moved on Windows
                file.close()
            temporary.replace(path)
    except FileExistsError:  # another process was faster
        return False
    except BaseException:  # Ctrl-C too
        with suppress(OSError):  # the first error is the one to report
            temporary.unlink(missing_ok=True)
        raise
    return True


def _hold(file: IO[bytes]) -> None:
    """Lock a file until it is closed, as a sign that it is being written. Does nothing if there are no such locks."""
    if sys.platform != "win32":
        import fcntl

        with suppress(OSError):
            fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)


def _is_held(path: Path) -> bool:
    """Return whether another process or thread is writing this file."""
    if sys.platform == "win32":
        return False
    import fcntl

    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return False


def is_at(path: Path, descriptor: int) -> bool:
    """Return whether the open file is the one at the path."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Convert an ``OSError`` in the context to one whose message has the file, the cause and the remedy."""
    try:
        yield
    except OSError as error:
        remedy = REMEDIES.get(error.errno or 0)
        if error.errno in (errno.ENOTDIR, errno.EEXIST):
            file = next((parent for parent in path.parents if parent.is_file()), None)
            remedy = f"{file} is a file, not a folder: choose another folder" if file else remedy
        if remedy and _is_cached(path):
            remedy += ", or set TASKSCAPE_CACHE to another folder"
        note = "; the previous file is kept" if os.path.lexists(path) and not path.is_dir() else ""
        advice = f"; {remedy} and continue" if remedy else ""
        raise OSError(error.errno, f"could not write {path}: {error.strerror or error}{advice}{note}") from error


def _is_cached(path: Path) -> bool:
    """Return whether a path is in the cache folder."""
    with suppress(ValueError):
        return path.absolute().is_relative_to(cache_folder().absolute())
    return False


def cache_folder() -> Path:
    """Return the folder for files that can be created again: ``$TASKSCAPE_CACHE`` or ``~/.cache/taskscape``.

    Raises ``ValueError`` with the remedy if the user has no home folder, as in some containers.
    """
    if chosen := os.environ.get("TASKSCAPE_CACHE"):
        return Path(chosen)
    try:
        return Path.home() / ".cache" / "taskscape"
    except RuntimeError as error:
        raise ValueError(
            "this user has no home folder for cached files: set TASKSCAPE_CACHE to a writable folder"
        ) from error
