"""Names and paths that users and files give: nothing is written outside the folder that was named for it."""

import os
from collections.abc import Iterable
from pathlib import Path

EXPORTED = (".onnx", ".pt2", ".xml")
"""Suffixes of the files that ``taskscape export`` writes, in lower case."""

OF_RUNS = (".ckpt", ".csv", ".json", ".log", ".npz", ".safetensors", ".yaml")
"""Suffixes of files in the folders of runs, in lower case."""


def with_home(path: str) -> Path:
    """Return a path with ``~`` at its start replaced by the home folder; as it is where there is none of that name."""
    try:
        return Path(path).expanduser()
    except RuntimeError:
        return Path(path)


def is_file_name(name: str) -> bool:
    """Return whether a name that a user or a file gives is plain: no path, nothing hidden, no control character."""
    plain = name.isprintable() and name.strip() == name and not name.startswith(".")
    return bool(name) and plain and not set(name) & set('/\\:"<>|?*')


def check_inside(folder: Path, path: Path) -> None:
    """Raise ``ValueError`` where a symbolic link below ``folder`` leads ``path``, a file or folder in it, out of it."""
    if not path.resolve().is_relative_to(folder.resolve()):
        link = next((p for p in (path, *path.parents) if p.is_symlink() and p != folder), path)
        raise ValueError(f"{link} leads out of {folder}: remove this link, or choose another folder")


def require_no_file(folder: Path, what: str) -> None:
    """Raise ``ValueError`` where a file is in the place of a folder for ``what``, or of one that it is to lie in."""
    there = next((path for path in (folder, *folder.parents) if path.exists()), folder)
    if there.exists() and not there.is_dir():
        raise ValueError(f"{there} is a file: name a folder for {what}")


def require_replaceable(path: Path, start: bytes, what: str) -> None:
    """Raise ``ValueError`` where a file is there that is no ``what``, which starts with these bytes: it is kept."""
    if path.is_file():
        with path.open("rb") as file:
            found = file.read(len(start))
        if found.lower() != start.lower()[: len(found)]:
            raise ValueError(f"{path} is there, and is no {what}: it is not replaced; name another file with --out")


def require_images(paths: Iterable[Path]) -> None:
    """Raise ``ValueError`` for the first path that is not there, is an exported network, or a file of a run."""
    for path in paths:
        if not path.exists():
            scheme = path.parts[0] if path.parts else ""  # of https://example.com, which a path writes as https:/
            if len(scheme) > 2 and scheme.endswith(":"):
                raise ValueError(f"{path} is an address: download the image, and give the file")
            raise ValueError(f"there is no image or folder {path}")
        if not (path.is_file() or path.is_dir()):
            raise ValueError(f"{path} is a device or a pipe, no image: name files and folders")
        if path.suffix.lower() in OF_RUNS and (path.parent / "experiment.yaml").is_file():
            raise ValueError(f"{path} is a file of a run, no image: name the folder {path.parent} before the images")
        if path.suffix.lower() in EXPORTED:
            raise ValueError(
                f"{path} is an exported network, no image: example.py beside it predicts images, and a run by the name "
                "of its folder does; taskscape label takes ONNX files for whole stores"
            )


def access_remedy(path: Path) -> str:
    """Return what lets this user reach a path that the system denied: enter its folder, read it, or write there."""
    path = path.absolute()
    for folder in reversed(path.parents):
        if not os.access(folder, os.X_OK):
            return f"allow this user to enter {folder} (chmod u+x)"
    if os.access(path, os.F_OK) and not os.access(path, os.R_OK):
        return f"allow this user to read it (chmod {'u+rx' if path.is_dir() else 'u+r'})"
    return "allow this user to write there (chmod u+w), or choose another place"


def printable(text: str) -> str:
    """Return a text for a terminal: control characters, which a file's name may hold, are shown and not obeyed."""
    return "".join(c if c.isprintable() or c in "\n\t" else c.encode("unicode_escape").decode() for c in text)
