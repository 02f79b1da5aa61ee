"""Check for free disk space before anything is written."""

import errno
import shutil
from pathlib import Path


def require_room(folder: Path, needed: int, what: str, less: str = "make fewer or smaller images") -> None:
    """Raise ``OSError`` if the file system of a folder, which need not exist yet, has less than ``needed`` bytes free.

    ``what`` names the data to be written, such as ``"the store"``; ``less`` is a way to reduce their size.
    """
    existing = next(parent for parent in (folder, *folder.resolve().parents) if parent.exists())
    free = shutil.disk_usage(existing).free
    if needed > free:
        raise OSError(
            errno.ENOSPC,
            f"{what} takes {_readable(needed)} in {folder}, and {_readable(free)} are free: make room, choose another "
            f"folder, or {less}",
        )


def _readable(count: int) -> str:
    for power, unit in ((12, "TB"), (9, "GB"), (6, "MB")):
        if count >= 10**power:
            return f"{count / 10**power:,.1f} {unit}"
    return f"{count} bytes"
