"""Lock files, which ensure that only one process writes a folder at a time."""

import errno
import json
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from taskscape.files.atomic import is_at, writing


@dataclass(frozen=True)
class Owner:
    """The process that writes a folder, stored as JSON in the lock file."""

    host: str
    process: int
    since: str
    """Local time."""

    def is_alive(self) -> bool:
        """Return whether a process with this number exists on this machine."""
        import psutil

        try:
            return bool(psutil.pid_exists(self.process))
        except OverflowError:
            return False


@contextmanager
def locked(folder: Path, lock: Path) -> Iterator[None]:
    """Hold the lock of a folder, a file in it or next to it, while its files are written.

    The operating system releases the lock when the process ends for any reason, so the lock file of a killed process of
    this machine is stale and is taken over. If the file system has no locks, the process number decides. A lock file
    from another machine is always respected, because it is unknown whether its process is still alive.

    Raises:
        ValueError: Another process writes the folder; the message names it and the remedy.
        OSError: The lock cannot be written.
    """
    with writing(lock):
        descriptor = _acquire(folder, lock)
    try:
        yield
    finally:
        with suppress(OSError):  # the folder may be gone
            if is_at(lock, descriptor):
                lock.unlink()
        os.close(descriptor)


def owner_of(lock: Path) -> Owner | None:
    """Return the owner of a lock file, or None if the file is missing, empty, truncated or has no owner."""
    try:
        return _parse_owner(lock.read_bytes())
    except OSError:
        return None


def _acquire(folder: Path, lock: Path) -> int:
    """Lock the lock file, write the owner to it, and return its descriptor."""
    while True:
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            is_held = _try_lock(descriptor)
            if is_held and not is_at(lock, descriptor):
                os.close(descriptor)  # the previous owner has just removed it
                continue
            owner = _read_owner(descriptor)
            is_remote = owner is not None and owner.host != socket.gethostname()
            if is_held is False or is_remote or (is_held is None and owner is not None and owner.is_alive()):
                raise ValueError(_refusal(folder, lock, owner))
            _write_owner(lock, descriptor)
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor


def _write_owner(lock: Path, descriptor: int) -> None:
    """Write this process to the lock file as its owner; remove the file if that fails."""
    text = json.dumps(asdict(Owner(socket.gethostname(), os.getpid(), _now()))) + "\n"
    try:
        os.ftruncate(descriptor, 0)
        os.lseek(descriptor, 0, os.SEEK_SET)
        os.write(descriptor, text.encode())
    except OSError:
        with suppress(OSError):  # the first error is the one to report
            lock.unlink()
        raise


def _try_lock(descriptor: int) -> bool | None:
    """Lock an open file. Return False if another process holds the lock, None if the file system has no locks."""
    try:
        if sys.platform == "win32":
            import msvcrt

            os.lseek(descriptor, 1 << 30, os.SEEK_SET)  # lock a byte beyond the text, so that others can read the text
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return False if error.errno in (errno.EACCES, errno.EAGAIN, errno.EDEADLK) else None
    return True


def _read_owner(descriptor: int) -> Owner | None:
    os.lseek(descriptor, 0, os.SEEK_SET)
    return _parse_owner(os.read(descriptor, 4096))


def _parse_owner(text: bytes) -> Owner | None:
    try:
        content = json.loads(text)
        return Owner(str(content["host"]), int(content["process"]), str(content["since"]))
    except (ValueError, TypeError, KeyError, RecursionError):
        return None


def _refusal(folder: Path, lock: Path, owner: Owner | None) -> str:
    if owner is None:
        return f"{folder} is being written by another process: wait for it, or choose another folder"
    start = f"{folder} is being written by process {owner.process} on {owner.host} since {owner.since}"
    if owner.host == socket.gethostname():
        return f"{start}: wait for it, stop it (kill {owner.process}), or choose another folder"
    return (
        f"{start}: wait for it, or choose another folder. If that process has ended, which cannot be checked from this "
        f"machine, delete {lock}"
    )


def _now() -> str:
    return datetime.now().astimezone().isoformat(" ", "seconds")
