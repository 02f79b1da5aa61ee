"""What a file is that is not what its name says, as far as its beginning tells."""

from contextlib import suppress
from pathlib import Path


def what_it_is(path: Path) -> str:
    """Return it in words, where it is empty, a pointer of Git LFS or a web page; else nothing."""
    with suppress(OSError), path.open("rb") as file:
        start = file.read(64).lstrip()
        if not start:
            return "it is empty"
        if start.startswith(b"version https://git-lfs"):
            return "it is a pointer of Git LFS, which `git lfs pull` replaces by the file"
        if start[:14].lower() == b"<!doctype html" or start[:5].lower() == b"<html":
            return "it is a web page, perhaps in place of the file that was to be downloaded"
    return ""
