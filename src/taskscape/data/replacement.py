"""One writer of a store at a time, and a new store in the place of an old one."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

from taskscape.data.manifest import MANIFEST
from taskscape.files import locked, writing


@contextmanager
def one_writer(out: Path) -> Iterator[None]:
    """Allow only one process at a time to write a store."""
    with writing(out):
        out.parent.mkdir(parents=True, exist_ok=True)
    # The lock file is next to the store, which may be replaced as a whole. In a read-only folder there is no lock.
    with locked(out, out.with_name(f".{out.name}.lock")) if os.access(out.parent, os.W_OK) else nullcontext():
        yield


def end_replacement(new: Path, out: Path, replaced: Path) -> None:
    """Move the new store to the place of the replaced one; also after a kill at any point."""
    if not (replaced / MANIFEST).exists():
        return
    if not out.exists():
        (new if (new / MANIFEST).exists() else replaced).rename(out)
    if replaced.exists():
        (replaced / MANIFEST).unlink()  # first, so that a partial store is never taken for a whole one
        shutil.rmtree(replaced)
