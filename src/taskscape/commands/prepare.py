"""``taskscape prepare``."""

import warnings
from collections.abc import Sequence
from dataclasses import is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from taskscape.commands.flags import registry
from taskscape.commands.shared import if_interrupted, printed_warnings

if TYPE_CHECKING:
    from taskscape.data.readers import RawData

_USAGE = """usage: taskscape prepare NAME RAW OUT [options]

Turn the raw data set NAME in folder RAW into a packed store OUT, which taskscape train reads:
taskscape train RECIPE data:packed --data.path OUT. An interrupted run resumes.

NAME is one of these, or a reader in a Python file of yours, such as my.py:MyData:
"""


def main(arguments: Sequence[str]) -> None:
    """Run the command with these arguments."""
    name = arguments[0] if arguments else "--help"
    if name not in ("-h", "--help"):
        prepare(name, _reader(name), arguments[1:])
        return
    from taskscape.data.readers import READERS

    print(_USAGE)
    for reader in READERS:
        print(f"  {reader.name:<12}{(reader.__doc__ or '').splitlines()[0]}")
    print("\ntaskscape prepare NAME --help lists the options of one.")
    if arguments:
        raise SystemExit(0)


def _reader(name: str) -> "type[RawData]":
    """Return the reader of the package, or of a file as ``my.py:MyData``. Raises ``ValueError``."""
    from taskscape.data.readers import READERS, RawData
    from taskscape.serialization import load_name, nearest

    readers = {reader.name: reader for reader in READERS}
    if name in readers:
        return readers[name]
    file, colon, cls = name.rpartition(":")
    if not colon:
        raise ValueError(f"there is no data set {name!r} to prepare{nearest(name, readers)}")
    reader: type[RawData] = load_name(Path(file), cls)
    is_reader = isinstance(reader, type) and issubclass(reader, RawData) and is_dataclass(reader)
    if not is_reader or not isinstance(getattr(reader, "name", None), str):
        raise ValueError(f"{name} must be a dataclass that derives from taskscape.data.RawData and has a name")
    return reader


def prepare(name: str, reader: "type[RawData]", arguments: Sequence[str]) -> None:
    """Prepare a data set with the settings that the arguments give."""

    def call(
        raw: Annotated[Path, tyro.conf.arg(metavar="RAW")],
        out: Annotated[Path, tyro.conf.arg(metavar="OUT")],
        /,
        data: Annotated[reader, tyro.conf.arg(name="")],  # type: ignore[valid-type]
        *,
        shard: int | None = None,
        processes: int | None = None,
    ) -> None:
        """Turn a raw data set into a packed store. An interrupted run resumes; inputs that were changed are noticed.

        Args:
            raw: Folder of the raw data.
            out: Folder of the store.
            data: The data set.
            shard: Number of images per file; by default a split is one file per field.
            processes: Number of worker processes; by default one per CPU core.
        """
        from taskscape.data import Store
        from taskscape.data.check import quick
        from taskscape.data.prepare import prepare as write
        from taskscape.progress import progress_bar, reporter

        with (
            if_interrupted(f"what is finished in {out} is kept; the same command continues"),
            printed_warnings(),
            progress_bar() as progress,
        ):
            manifest = write(
                data,
                raw,
                out,
                shard,
                processes,
                reporter(progress, f"images of {reader.name}"),
                lambda text: progress.console.print(text, markup=False, highlight=False),
            )
            for doubt in quick({split: Store.open(out, split) for split in manifest.counts}, manifest.labels):
                warnings.warn(doubt, stacklevel=1)
        counts = ", ".join(f"{count} {split}" for split, count in manifest.counts.items())
        print(f"{out} holds {counts}; taskscape data show {out} makes a contact sheet of them")

    tyro.cli(call, args=arguments, prog=f"taskscape prepare {name}", registry=registry())
