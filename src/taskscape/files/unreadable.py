"""Detect, from the first bytes of a file, why it does not have the format that its name promises."""

from contextlib import suppress
from pathlib import Path


def why_unreadable(path: Path) -> str:
    """Return a description of a file that is empty, a Git LFS pointer or a web page; otherwise ""."""
    with suppress(OSError), path.open("rb") as file:
        start = file.read(64).lstrip()
        if not start:
            return "it is empty"
        if start.startswith(b"version https://git-lfs"):
            return "it is a Git LFS pointer, which `git lfs pull` replaces by the file"
        if start[:14].lower() == b"<!doctype html" or start[:5].lower() == b"<html":
            return "it is a web page, perhaps downloaded instead of the file"
    return ""
