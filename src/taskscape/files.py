"""Atomic writes: a file is the old one or the new one, whenever the process ends."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def atomic_write(path: Path, content: bytes | memoryview | str, durable: bool = True) -> None:
    """Write a file beside the old one and put it in its place: whenever the process ends, there is one or the other.

    Text is UTF-8. What is not ``durable`` may be lost in a power failure, and saves the wait for the disk, some
    milliseconds a file. Raises ``OSError`` that names the file and says what to do.
    """
    temporary = path.with_name(path.name + ".part")
    with writing(path, "; the file as it was before is kept" if path.exists() else ""):
        try:
            with temporary.open("wb") as file:
                file.write(content.encode() if isinstance(content, str) else content)
                if durable:
                    file.flush()
                    os.fsync(file.fileno())
            temporary.replace(path)
        except OSError:
            temporary.unlink(missing_ok=True)
            raise


@contextmanager
def writing(path: Path, kept: str = "") -> Iterator[None]:
    """Let an ``OSError`` within name the file and say what to do; ``kept`` is added at its end."""
    try:
        yield
    except OSError as error:
        raise OSError(error.errno, f"could not write {path}: {error.strerror}; make room and continue{kept}") from error


def cache_folder() -> Path:
    """Return the folder for what can be made again: ``$TASKSCAPE_CACHE`` or ``~/.cache/taskscape``."""
    return Path(os.environ.get("TASKSCAPE_CACHE") or Path.home() / ".cache" / "taskscape")
