"""Atomic writes: a file is the old one or the new one, whenever the process ends."""

import os
from pathlib import Path


def atomic_write(path: Path, content: bytes | memoryview | str) -> None:
    """Write a file beside the old one and put it in its place: whenever the process ends, there is one or the other.

    Text is UTF-8. Raises ``OSError`` that names the file and says what to do.
    """
    temporary = path.with_name(path.name + ".part")
    try:
        with temporary.open("wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        kept = "; the file as it was before is kept" if path.exists() else ""
        raise OSError(error.errno, f"could not write {path}: {error.strerror}; make room and continue{kept}") from error
