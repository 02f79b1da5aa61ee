"""``taskscape prepare``."""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import tyro

from taskscape.commands.call import HELP, call, checked
from taskscape.commands.described import described, reader
from taskscape.commands.layout import filled, usage
from taskscape.commands.parts import SharingFlags
from taskscape.commands.recipes import print_list
from taskscape.commands.shared import if_interrupted, printed_warnings, require_usable, show_command
from taskscape.serialization import load_name, nearest
from taskscape.serialization.ranges import Count

if TYPE_CHECKING:
    from taskscape.data.readers import RawData
    from taskscape.parallel import Portion

_TEXT = """Convert the raw data set NAME in folder RAW to a packed store OUT, to train on it with
taskscape train RECIPE --data.path OUT. An interrupted command resumes when it is repeated.

NAME is one of the following, or a reader in a Python file of yours, such as my.py:MyData:"""


def main(arguments: Sequence[str]) -> None:
    name, *rest = arguments or ["--help"]
    if name in HELP:
        print("\n".join([*usage("taskscape prepare NAME RAW OUT [options]"), "", filled(_TEXT), ""]))
        print_list({f"  {name}": entry["text"] for name, entry in described()["readers"].items()})
        print("\nRun taskscape prepare NAME --help for the options of a data set.")
        if arguments:
            raise SystemExit(0)
    elif name in described()["readers"]:
        # Find mistakes before numpy is imported.
        raw, out = map(Path, checked(function_of(reader(name)), rest, f"prepare {name}").places)
        if not raw.exists():
            raise FileNotFoundError(
                f"there is no folder {raw}: name the folder of the raw data first, and then that of the store"
            )
        require_usable(out, "the store")
        from taskscape.data.readers import READERS

        _prepare(name, next(entry for entry in READERS if entry.name == name), rest)
    else:
        _prepare(name, _user_reader(name), rest)


def _user_reader(name: str) -> "type[RawData]":
    """Return the reader from a user's file, such as ``my.py:MyData``. Raises ``ValueError``."""
    file, colon, class_name = name.rpartition(":")
    if name.endswith(".py"):
        raise ValueError(f"{name} is a file; name the reader in it too, such as {name}:MyData")
    if not colon:
        raise ValueError(f"there is no data set {name!r} to prepare{nearest(name, described()['readers'])}")
    cls: Any = load_name(Path(file), class_name)
    from taskscape.data.readers import RawData

    bases: tuple[type, ...] = cls.__mro__ if isinstance(cls, type) and is_dataclass(cls) else ()
    if RawData in bases and isinstance(getattr(cls, "name", None), str):
        return cast("type[RawData]", cls)
    raise ValueError(f"{name} must be a dataclass that derives from taskscape.data.RawData and has a name")


def _prepare(name: str, kind: "type[RawData]", arguments: Sequence[str]) -> None:
    call(function_of(kind, ["prepare", name, *arguments]), arguments, f"prepare {name}")


def function_of(kind: Any, words: Sequence[str] = ()) -> Callable[..., None]:
    """Return the function that prepares the raw data of a reader or its stand-in; ``words`` is the command line."""

    options = Annotated[kind, tyro.conf.arg(name="")]  # flags without a prefix

    def prepare(
        raw: Path,
        out: Path,
        /,
        data: options,
        *,
        shard: Count | None = None,
        sharing: SharingFlags,
    ) -> None:
        """Convert a raw data set to a packed store. An interrupted run resumes; changed inputs are detected.

        Args:
            raw: Folder of the raw data.
            out: Folder of the store.
            shard: Number of images per file, which --part and --on need; by default a split has one file per field.
        """
        if ".." in out.parts:  # the system refuses such a path if a folder in it is missing
            out = out.resolve()
        portion = sharing.portion()
        if shard is None and (portion is not None or sharing.on is not None):
            raise ValueError("a part of a store consists of some of its files: set --shard, the images per file")
        from taskscape.data.place import MANIFEST

        with if_interrupted(f"what is finished in {out} is kept; the same command continues"), printed_warnings():
            if portion is not None and shard is not None:
                _write_part(data, raw, out, portion, shard, sharing.processes)
                return
            if not (out / MANIFEST).exists():
                sharing.share(words, out)
            _write_store(data, raw, out, shard, sharing.processes)

    return prepare


def _write_part(data: "RawData", raw: Path, out: Path, portion: "Portion", shard: int, processes: int | None) -> None:
    from taskscape.data.prepare import prepare_portion
    from taskscape.progress import progress_bar, reporter

    with progress_bar() as progress:
        prepare_portion(data, raw, out, portion, shard, processes, reporter(progress, f"images of {data.name}"))
    print(f"part {portion} of {out} is written; the same command without --part finishes the store")


def _write_store(data: "RawData", raw: Path, out: Path, shard: int | None, processes: int | None) -> None:
    """Write a store, with warnings about doubtful labels."""
    from taskscape.data import Store
    from taskscape.data.check import quick
    from taskscape.data.prepare import prepare
    from taskscape.progress import progress_bar, reporter

    with progress_bar() as progress:
        manifest = prepare(
            data,
            raw,
            out,
            shard,
            processes,
            reporter(progress, f"images of {data.name}"),
            lambda text: progress.console.print(text, markup=False, highlight=False),
        )
    stores = {split: Store.open(out, split) for split in manifest.counts}
    said = [name for name, count in manifest.source.get("images without", {}).items() if count]  # by the reader
    for warning in quick(stores, manifest.labels, said):
        warnings.warn(warning, stacklevel=1)
    counts = ", ".join(f"{count} {split}" for split, count in manifest.counts.items())
    print(f"{out} holds {counts}; {show_command(out)} writes a contact sheet of them")
