"""Zip archives within bounds: what they claim to hold is looked at before it is unpacked."""

import zipfile
from pathlib import Path
from typing import IO


def check_archive(file: Path | IO[bytes], most: int) -> None:
    """Raise ``ValueError`` where a zip archive unpacks to more than ``most`` bytes, ``BadZipFile`` where it is none.

    Python and torch never unpack more of an entry than the archive says.
    """
    with zipfile.ZipFile(file) as archive:
        size = sum(entry.file_size for entry in archive.infolist())
    if size > most:
        raise ValueError(f"it unpacks to {size} bytes, and {most} are possible")
