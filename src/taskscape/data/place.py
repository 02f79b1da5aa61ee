"""Whether a folder is a packed store, told without torch and numpy."""

from pathlib import Path

MANIFEST = "manifest.json"
UNFINISHED = "unfinished.json"
"""The manifest of a store that is being written."""


def require_store(path: Path) -> None:
    """Raise ``FileNotFoundError`` where there is no such folder, ``ValueError`` where it is not a finished store."""
    if path.is_file():
        raise ValueError(f"{path} is a file: name the folder of a store, as `taskscape prepare` makes one")
    if not path.is_dir():
        raise FileNotFoundError(f"{path} is not there: check the path, or make a store with `taskscape prepare`")
    if not (path / MANIFEST).exists():
        if (path / UNFINISHED).exists():
            raise ValueError(f"{path} is unfinished: run the command that made it again, it resumes")
        raise ValueError(f"{path} is not a store, it has no {MANIFEST}: make one with `taskscape prepare`")
