"""``taskscape export``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from taskscape.commands.shared import if_interrupted, require_model, require_store, require_usable
from taskscape.imports import quick_imports
from taskscape.serialization import counted

if TYPE_CHECKING:
    from taskscape.export.exported import Exported

Format = Literal["onnx", "openvino", "torch", "web"]
Model = Annotated[Path, tyro.conf.arg(metavar="RUN", help="Run folder, or the name of a model.")]
Tasks = Annotated[tuple[str, ...], tyro.conf.arg(metavar="TASK ...")]


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
    """Export the network of a run to a file that works without taskscape, and verify its outputs.

    The input is an RGB image in 0..255; the outputs are class ids, meters and unit vectors. about.json, next to the
    file and embedded in it, describes every output. model-card.md and parity.json report its accuracy and its
    differences from the network. If the outputs do not match those of the network, nothing is written, and an earlier
    export in the same place is kept.

    Args:
        to: Format: onnx for ONNX Runtime and others (model.onnx), openvino (model.xml and model.bin), torch for torch
            alone (model.pt2), or web for browsers (page/index.html).
        tasks: Tasks to export; layers that only other tasks need are left out. By default all tasks.
        size: Height and width of the input images; by default any size.
        data: Store whose images are used to compare and measure; by default the run's own data, if available.
        single: With --to web: write a single HTML file of at most 15 MB, page.html, instead of a folder.
        int8: With --to onnx or openvino: quantize weights and activations to 8 bits, for a third of the size and about
            twice the speed on a processor with VNNI. Blocks of the network that lose too much accuracy stay in float32.
        calibrate: With --int8: a folder of images typical for the use of the network, or a store; by default the data
            of the run.
        confidence: Also output the confidence of each task, TASK.confidence from 0 to 1, calibrated if the run is.
            Available for classes always, for depth and normals if they were trained with it.
        out: Folder to write to; by default exported/FORMAT, such as exported/onnx.
    """
    if calibrate is not None and not int8:
        raise ValueError("--calibrate belongs to --int8: give both, or leave it out")
    if single and to != "web":
        raise ValueError(f"--single is for --to web, not for --to {to}: leave it out")
    if int8 and to not in ("onnx", "openvino"):
        raise ValueError(f"--int8 is for --to onnx or openvino, not for --to {to}: leave it out")
    require_model(run, tasks)
    require_store("data", data)
    if calibrate is not None and not calibrate.is_dir():
        raise FileNotFoundError(f"--calibrate {calibrate}: there is no such folder: name a store, or one with images")
    folder = out or Path("exported", to)
    require_usable(folder, "the export")
    with quick_imports():
        from taskscape.export import export as export_run
        from taskscape.export.int8 import Int8

    with if_interrupted(f"{folder} is unchanged; start the same command again"):
        exported = export_run(
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
    _print(exported)


def _print(exported: "Exported") -> None:
    """Print the exported file, its differences from the network, its accuracy and its speed."""
    from taskscape.report.glossary import leading

    print(f"{exported.path}: {exported.bytes / 1e6:.1f} MB")
    for name, parity in exported.parity.items():
        print(f"  {name}: {parity}")
    if exported.reduced is not None:
        print(f"  {exported.reduced.words}")
    if exported.measured is not None:
        images = counted(exported.measured.images, "image", "images")
        print(f"  on {images} of the validation data, with PyTorch and with this file:")
        for name in leading(exported.measured.network, exported.measured.specs):
            spec = exported.measured.specs[name]
            network_value, file_value = (
                spec.show(values[name]) for values in (exported.measured.network, exported.measured.file)
            )
            print(f"    {name}: {network_value} and {file_value} {spec.unit}".rstrip())
    for sentence in () if exported.reduced is None else exported.reduced.sentences:
        print(f"  {sentence}")
    network_seconds, file_seconds = exported.seconds
    print(f"  an image takes {1000 * file_seconds:.1f} ms with this file, {1000 * network_seconds:.1f} ms with PyTorch")
    print(f"{exported.path.with_name('model-card.md')} describes the model")
