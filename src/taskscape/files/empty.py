"""Folders that were made for files which were never written."""

from contextlib import suppress
from pathlib import Path


def remove_if_empty(folder: Path) -> None:
    """Remove a folder; do nothing if it holds something, does not exist, or cannot be removed."""
    with suppress(OSError):
        folder.rmdir()
