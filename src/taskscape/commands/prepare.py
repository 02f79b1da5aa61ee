"""``taskscape prepare``."""

import difflib
import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import tyro

from taskscape.commands.shared import if_interrupted

DATA_SETS = {
    "cityscapes": ("cityscapes:Cityscapes", "leftImg8bit, gtFine, disparity, as downloaded"),
    "nyuv2": ("nyuv2:Nyuv2", "nyu_depth_v2_labeled.mat and splits.mat"),
    "miniscapes": ("miniscapes:Miniscapes", "Miniscapes, or what taskscape synth wrote"),
    "mtan": ("mtan_arrays:MtanArrays", "the .npy folders published with MTAN, Cityscapes or NYUv2"),
    "folder": ("own_folder:OwnFolder", "a folder of your own with images and labels"),
}
"""Every raw data set by name: its class in ``taskscape.data``, and what the raw folder holds."""

_USAGE = """usage: taskscape prepare NAME RAW OUT [options]

Turn the raw data set NAME in folder RAW into a packed store OUT, which taskscape train reads:
taskscape train RECIPE data:packed --data.path OUT. A stopped run goes on where it was.
"""


def main(arguments: Sequence[str]) -> None:
    """Parse, call, print."""
    first = arguments[0] if arguments else "--help"
    if first in DATA_SETS:
        prepare(first, arguments[1:])
    elif first in ("-h", "--help"):
        print(_USAGE)
        for name, (_, text) in DATA_SETS.items():
            print(f"  {name:<12}{text}")
        print("\ntaskscape prepare NAME --help lists the options of one.")
        if arguments:
            raise SystemExit(0)
    else:
        close = difflib.get_close_matches(first, DATA_SETS, n=1)
        hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(DATA_SETS)}"
        raise ValueError(f"there is no data set {first!r} to prepare; {hint}")


def prepare(name: str, arguments: Sequence[str]) -> None:
    """Prepare a data set with the settings that the arguments give."""
    module, _, kind = DATA_SETS[name][0].partition(":")
    options = getattr(importlib.import_module(f"taskscape.data.{module}"), kind)

    def call(
        raw: Annotated[Path, tyro.conf.arg(metavar="RAW")],
        out: Annotated[Path, tyro.conf.arg(metavar="OUT")],
        /,
        data: Annotated[options, tyro.conf.arg(name="")],  # type: ignore[valid-type]
        *,
        shard: int | None = None,
        processes: int | None = None,
    ) -> None:
        """Turn a raw data set into a packed store. A stopped run goes on where it was.

        Args:
            raw: Folder of the raw data.
            out: Folder of the store.
            data: The data set.
            shard: Number of images per file; by default a split is one file per kind of label.
            processes: How many work at the same time; by default one per CPU core.
        """
        from taskscape.data.prepare import prepare as write
        from taskscape.progress import progress_bar, reporter

        with (
            if_interrupted(f"what is finished in {out} is kept; the same command continues"),
            progress_bar() as progress,
        ):
            manifest = write(data, raw, out, shard, processes, reporter(progress, f"images of {name}"))
        counts = ", ".join(f"{count} {split}" for split, count in manifest.counts.items())
        print(f"{out} holds {counts}; look at them with taskscape data show {out}")

    tyro.cli(call, args=arguments, prog=f"taskscape prepare {name}")
