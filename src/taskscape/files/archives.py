"""Limits for zip archives, checked before they are unpacked."""

import zipfile
from pathlib import Path
from typing import IO


def check_archive(file: Path | IO[bytes], most: int) -> None:
    """Raise ``ValueError`` if a zip archive unpacks to more than ``most`` bytes, ``BadZipFile`` if it is not one.

    Declared sizes can be trusted, because Python and torch never unpack more of an entry than the archive declares.
    """
    with zipfile.ZipFile(file) as archive:
        size = sum(entry.file_size for entry in archive.infolist())
    if size > most:
        raise ValueError(f"it unpacks to {size} bytes, but at most {most} are allowed")
