"""Check whether a folder is a packed store, without importing torch or numpy."""

from pathlib import Path

MANIFEST = "manifest.json"
UNFINISHED = "unfinished.json"
"""The manifest of an unfinished store."""


def require_store(path: Path) -> None:
    """Raise ``FileNotFoundError`` if the folder does not exist, ``ValueError`` if it is not a finished store."""
    if path.is_file():
        raise ValueError(f"{path} is a file: name the folder of a store, made by `taskscape prepare`")
    if not path.is_dir():
        tried = "" if path.is_absolute() else f" (seen from the current folder: {path.absolute()})"
        raise FileNotFoundError(f"{path} is not there{tried}: check the path, or make a store with `taskscape prepare`")
    if not (path / MANIFEST).exists():
        if (path / UNFINISHED).exists():
            raise ValueError(f"{path} is unfinished: run the command that makes it once more to resume")
        raise ValueError(f"{path} is not a store, it has no {MANIFEST}: make one with `taskscape prepare`")
