"""Atomic writes: a file is the old one or the new one, whenever the process ends."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_REMEDIES = {
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
"""What helps, by the operating system's number of the error."""


def atomic_write(path: Path, content: bytes | memoryview | str, durable: bool = True) -> None:
    """Write a file beside the old one and put it in its place: whenever the process ends, there is one or the other.

    Text is UTF-8. A symbolic link in its place is replaced, never followed. What is not ``durable`` may be lost in a
    power failure, and saves the wait for the disk, some milliseconds a file. Raises ``OSError`` that names the file and
    says what to do.
    """
    temporary = path.with_name(path.name + ".part")
    with writing(path):
        try:
            temporary.unlink(missing_ok=True)  # a killed process left it
            with temporary.open("xb") as file:
                file.write(content.encode() if isinstance(content, str) else content)
                if durable:
                    file.flush()
                    os.fsync(file.fileno())
            temporary.replace(path)
        except BaseException:  # Ctrl-C too
            with suppress(OSError):  # the first error is the one to report
                temporary.unlink(missing_ok=True)
            raise


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Let an ``OSError`` within name the file, say what went wrong and what helps."""
    try:
        yield
    except OSError as error:
        remedy = _REMEDIES.get(error.errno or 0)
        kept = "; the file as it was before is kept" if os.path.lexists(path) else ""
        what_helps = f"; {remedy} and continue" if remedy else ""
        raise OSError(error.errno, f"could not write {path}: {error.strerror or error}{what_helps}{kept}") from error


def cache_folder() -> Path:
    """Return the folder for what can be made again: ``$TASKSCAPE_CACHE`` or ``~/.cache/taskscape``.

    Raises ``ValueError`` with the remedy for a user without a home, as in some containers.
    """
    if chosen := os.environ.get("TASKSCAPE_CACHE"):
        return Path(chosen)
    try:
        return Path.home() / ".cache" / "taskscape"
    except RuntimeError as error:
        raise ValueError(
            "this user has no home folder to keep things in: set TASKSCAPE_CACHE to a folder that may be written"
        ) from error
