"""``taskscape export``."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from taskscape.commands.call import call
from taskscape.commands.shared import if_interrupted, require_run, require_store
from taskscape.imports import quick_imports

if TYPE_CHECKING:
    from taskscape.export.exported import Exported

Format = Literal["onnx", "openvino", "torch", "web"]
Model = Annotated[Path, tyro.conf.arg(metavar="RUN", help="Folder of a run, or the name of a model.")]
Tasks = Annotated[tuple[str, ...], tyro.conf.arg(metavar="TASK ...")]


def main(arguments: Sequence[str]) -> None:
    call(export, arguments, "export")


def export(
    run: Model,
    /,
    *,
    to: Format,
    tasks: Tasks = (),
    size: tuple[int, int] | None = None,
    data: Path | None = None,
    single: bool = False,
    int8: bool = False,
    calibrate: Path | None = None,
    confidence: bool = False,
    out: Path | None = None,
) -> None:
    """Write the network of a run as a file that runs without taskscape, and compare what it computes.

    RGB images in 0..255 go in; class ids, metres and unit vectors come out. about.json beside the file, and inside it,
    says what every output is; model-card.md and parity.json say how good it is and how far from the network. A file
    that computes other values than the network is not written, and an earlier export in its place stays.

    Args:
        to: onnx, for ONNX Runtime and others (model.onnx), openvino (model.xml and model.bin), torch, for torch alone
            (model.pt2), or web, for browsers (page/index.html).
        tasks: Predict only these tasks; what only the others need is left out.
        size: Height and width of the images that it takes; by default any.
        data: Folder of a store whose images are compared and measured; by default the run's own, if it is at hand.
        single: Of --to web: write one HTML file of at most 15 MB, page.html, instead of a folder.
        int8: Of --to onnx and openvino: weights and activations of 8 bits, a third of the size and about twice as fast
            on a processor with VNNI. Blocks of the network that lose too much stay in float32.
        calibrate: Of --int8: a folder of images like those that the network is for, or a store; by default the data of
            the run.
        confidence: Also give how sure the network is of each task: outputs TASK.confidence from 0 to 1, calibrated
            where the run is. Classes always say it, depth and normals where they were trained to.
        out: Folder to write to; by default exported/FORMAT, such as exported/onnx.
    """
    if calibrate is not None and not int8:
        raise ValueError("--calibrate belongs to --int8: give both, or leave it out")
    if single and to != "web":
        raise ValueError(f"--single is for --to web, not for --to {to}: leave it out")
    if int8 and to not in ("onnx", "openvino"):
        raise ValueError(f"--int8 is for --to onnx or openvino, not for --to {to}: leave it out")
    from taskscape.released import is_name

    if not is_name(run):
        require_run(run)
    require_store("data", data)
    if calibrate is not None and not calibrate.exists():
        raise FileNotFoundError(f"--calibrate: there is no file or folder {calibrate}")
    with quick_imports():
        from taskscape.export import export as export_run
        from taskscape.export.int8 import Int8

    folder = out or Path("exported", to)
    with if_interrupted(f"{folder} is as it was; start the same command again"):
        done = export_run(
            run,
            to,
            folder,
            tasks=tasks,
            size=size,
            data=data,
            confidence=confidence,
            options={"single": True} if single else {},
            reduction=Int8(calibrate) if int8 else None,
        )
    _print(done)


def _print(done: "Exported") -> None:
    """Print what was written, how far it is from the network, and how good and fast it is."""
    from taskscape.report.glossary import leading

    print(f"{done.path}: {done.bytes / 1e6:.1f} MB")
    for name, parity in done.parity.items():
        print(f"  {name}: {parity}")
    if done.reduced is not None:
        print(f"  {done.reduced.words}")
    if done.measured is not None:
        print(f"  on {done.measured.images} images of the validation data, with PyTorch and with this file:")
        for name in leading(done.measured.network, done.measured.specs):
            spec = done.measured.specs[name]
            before, after = (spec.show(values[name]) for values in (done.measured.network, done.measured.file))
            print(f"    {name}: {before} and {after} {spec.unit}".rstrip())
    for sentence in () if done.reduced is None else done.reduced.sentences:
        print(f"  {sentence}")
    network, file = done.seconds
    print(f"  an image takes {1000 * file:.1f} ms with this file, {1000 * network:.1f} ms with PyTorch")
    print(f"{done.path.with_name('model-card.md')} describes the model")
