"""``taskscape export``."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import tyro

from taskscape.commands.call import call
from taskscape.commands.shared import Run, require_run
from taskscape.imports import quick_imports

Format = Literal["onnx", "torch"]
Tasks = Annotated[tuple[str, ...], tyro.conf.arg(metavar="TASK ...")]


def main(arguments: Sequence[str]) -> None:
    call(export, arguments, "export")


def export(
    run: Run,
    /,
    *,
    to: Format,
    tasks: Tasks = (),
    size: tuple[int, int] | None = None,
    out: Path = Path("exported"),
) -> None:
    """Write the network of a run as a file that runs without taskscape, and compare what it computes.

    RGB images in 0..255 go in; class ids, metres and unit vectors come out. about.json beside the file, and inside it,
    says what every output is. A file that computes other values than the network is removed.

    Args:
        to: onnx, for ONNX Runtime and others (model.onnx), or torch, for torch alone (model.pt2).
        tasks: Predict only these tasks; what only the others need is left out.
        size: Height and width of the images that it takes; by default any.
        out: Folder to write to.
    """
    from taskscape.released import is_name

    if not is_name(run):
        require_run(run)
    with quick_imports():
        from taskscape.export import export as export_run

    done = export_run(run, to, out, tasks=tasks, size=size)
    print(f"{done.path}: {done.path.stat().st_size / 1e6:.1f} MB")
    for name, parity in done.parity.items():
        print(f"  {name}: {parity}")
    network, file = done.seconds
    print(f"  an image in {1000 * file:.1f} ms, {1000 * network:.1f} ms before")
