"""Export a run to a file in one format, with a model card and a comparison with the network."""

import copy
import importlib.util
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn

from taskscape.data import DataSource
from taskscape.export import onnx_file, openvino_file, torch_file, web
from taskscape.export.card import USE, card
from taskscape.export.data import stores_of
from taskscape.export.deployed import Deployed, decoded, size_of, trace
from taskscape.export.describe import description
from taskscape.export.exported import Exported
from taskscape.export.formats import Compute, Format, Job, Reduction, Wrapper
from taskscape.export.measured import measure
from taskscape.export.parity import Parity, compare, speeds
from taskscape.export.pictures import pictures
from taskscape.export.report import write_report
from taskscape.export.steadiness import masks_for
from taskscape.files import atomic_write, require_room, writing, written_together
from taskscape.inference.loading import confidence_of
from taskscape.released import resolve
from taskscape.run_folder import Result, RunFolder
from taskscape.runs import load
from taskscape.serialization import listed, nearest
from taskscape.serialization.arguments import checked
from taskscape.serialization.plain import read_json
from taskscape.tasks import Task

FORMATS: Mapping[str, Format] = {"onnx": onnx_file, "openvino": openvino_file, "torch": torch_file}
"""Formats by name."""

WRAPPERS: Mapping[str, Wrapper] = {"web": web}
"""Wrappers of the files of a format, by name."""

CARD = "model-card.md"
"""Name of the model card."""

REPORT = "parity.json"
"""Name of the file with the format and the differences from the network."""

FLOAT32 = 4
"""Bytes per weight."""


@checked
def export(
    run: str | Path,
    to: str,
    folder: str | Path,
    *,
    tasks: Sequence[str] = (),
    size: tuple[int, int] | None = None,
    options: Mapping[str, Any] = MappingProxyType({}),
    reduction: Reduction | None = None,
    data: DataSource | str | Path | None = None,
    confidence: bool = False,
) -> Exported:
    """Write the network of a run or of a named model to a file in some format, and compare the two.

    The file takes one image of any size, or of ``size``, and computes in float32. Layers that only other tasks than
    ``tasks`` need are left out. The folder also gets ``about.json``, a description of the input and outputs;
    ``parity.json``, the differences from the network; ``model-card.md``; and examples of its use. Existing files of
    these names are replaced only at the end, so an earlier export remains if this one fails.

    Args:
        run: The folder of a run, or the name of a model.
        to: The name of a format or wrapper, a key of ``FORMATS`` or ``WRAPPERS``.
        folder: The output folder, which is created.
        tasks: The tasks to predict; by default all.
        size: Height and width of images; by default any.
        options: Settings of the format or wrapper by name (``Format.OPTIONS``).
        reduction: A step that makes the file smaller after the comparison, such as int8.
        data: A source or the folder of a store with real images; by default the run's own data, if available.
        confidence: Also output the confidence of each task that supports it, calibrated if the run is: outputs
            ``TASK.confidence``, (1, 1, H, W) in 0..1, after the tasks.

    Raises:
        FileNotFoundError: The run or the data does not exist.
        ValueError: A format, task or option is unknown; packages are not installed; no task supports confidence; the
            network cannot be exported; the file computes different values from the network; or the folder has an export
            of a different format, or is being written by another process.
        OSError: The folder cannot be written.
    """
    wrapper = WRAPPERS.get(to)
    format_name = wrapper.OF if wrapper else to
    if format_name not in FORMATS:
        raise ValueError(f"there is no format {to!r}{nearest(to, [*FORMATS, *WRAPPERS])}")
    form = FORMATS[format_name]
    _require(to, (*form.NEEDS, *(wrapper.NEEDS if wrapper else ())))
    defaults = (wrapper or form).OPTIONS
    for name in options:
        if name not in defaults:
            raise ValueError(f"--to {to} has no option {name!r}{nearest(name, defaults)}")
    if reduction is not None:
        if to not in reduction.formats:
            raise ValueError(f"--{reduction.name} is for --to {' or '.join(reduction.formats)}, not for --to {to}")
        _require(f"{to} --{reduction.name}", reduction.needs)
    target = Path(folder)
    _require_same_format(target, to)
    with written_together(target) as part:
        job = prepare(run, tasks, size, {**defaults, **options}, data, confidence=confidence)
        if reduction is not None:
            reduction.check(job)
        require_room(target, FLOAT32 * size_of(job.program), "the network", "export fewer --tasks")
        exported = _written(job, to, target, part, reduction)
    return replace(exported, path=target / exported.path.relative_to(part))


def _written(job: Job, to: str, target: Path, part: Path, reduction: Reduction | None) -> Exported:
    """Write the file and everything beside it to ``part``; error messages name ``target``."""
    wrapper = WRAPPERS.get(to)
    form = FORMATS[wrapper.OF if wrapper else to]
    images = pictures(job)

    def compute_with(network: nn.Module) -> Compute:
        return computed(job.tasks, network, job.spreads)

    reference = compute_with(job.model.network)
    masks = masks_for(job.program, job.model.network, compute_with)
    expected = [reference(image) for image in images]

    def compared(file: Compute) -> dict[str, Parity]:
        return compare(expected, file, images, job.outputs, masks)

    path, final_path = part / form.NAME, target / form.NAME
    parity = _write_and_compare(job, form, path, final_path, compared)
    _require_parity(parity, final_path)
    reduced = None
    if reduction is not None:
        reduced = reduction.reduce(job, path, form)
        parity = compared(form.opened(path))
    file = form.opened(path)
    seconds, measured = speeds(reference, file, images[0]), measure(job, reference, file)
    if wrapper:
        path, changed = wrapper.wrap(job, path)
        reduced = reduced or changed
    exported = Exported(path, _bytes(path), parity, len(images), seconds, measured, reduced)
    atomic_write(part / "about.json", json.dumps(job.about, indent=1, ensure_ascii=False) + "\n")
    write_report(part / REPORT, job, to, exported)
    atomic_write(part / CARD, card(job, (wrapper or form).RUNTIME, exported, wrapper.USE if wrapper else USE))
    return exported


def _write_and_compare(
    job: Job, form: Format, path: Path, final_path: Path, compared: Callable[[Compute], dict[str, Parity]]
) -> dict[str, Parity]:
    """Write the file and return its differences from the network. Raises ``ValueError`` if it cannot be run."""
    try:
        with writing(final_path):
            form.write(job, path)
        return compared(form.opened(path))
    except OSError:
        raise
    except Exception as error:  # exporters and runtimes raise errors of all types
        line = str(error).strip().partition("\n")[0].replace(str(path.parent), str(final_path.parent))
        raise ValueError(
            f"{final_path} is not written, because it could not be created or run ({line}): try --size HxW, or another "
            "--to"
        ) from error


def _require_parity(parity: Mapping[str, Parity], final_path: Path) -> None:
    """Raise ``ValueError`` if the file cannot replace the network."""
    wrong = {name: difference for name, difference in parity.items() if not difference.holds}
    if not wrong:
        return
    differences = "; ".join(f"{name}: {difference}" for name, difference in wrong.items())
    if all(difference.agrees for difference in wrong.values()):
        raise ValueError(
            f"{final_path} is not written, because too few pixels can be compared with the network: {differences}. "
            "Train the network further, or one without max-unpooling, such as deeplab-joint, which has no ties"
        )
    raise ValueError(
        f"{final_path} is not written, because it computes different values from the network: {differences}. Try "
        "another --to"
    )


def prepare(
    run: str | Path,
    tasks: Sequence[str],
    size: tuple[int, int] | None,
    options: Mapping[str, Any] = MappingProxyType({}),
    data: DataSource | str | Path | None = None,
    *,
    confidence: bool = False,
) -> Job:
    """Return the input of formats: the traced network with its data. Arguments and errors are as for ``export``."""
    folder = RunFolder(resolve(run))
    model = load(run, "cpu")
    model = model.restricted(tasks) if tasks else model
    evaluated = Result.load(folder.result()).size
    model = model._replace(network=model.network.to(memory_format=torch.contiguous_format))
    stores = stores_of(folder, model, data)
    spreads, confidence_views = confidence_of(folder, model.tasks) if confidence else ({}, {})
    program = trace(Deployed(copy.deepcopy(model.network), model.tasks, spreads).eval(), size)
    about = description(model.tasks, evaluated, size, folder, confidence_views)
    return Job(folder, model, model.tasks, evaluated, size, program, about, options, stores, spreads)


def computed(
    tasks: Mapping[str, Task], network: nn.Module, spreads: Mapping[str, float] = MappingProxyType({})
) -> Compute:
    """Return the function that computes a network's decoded outputs in float32."""

    def compute(image: Tensor) -> list[Tensor]:
        with torch.no_grad():
            return decoded(network.forward(image.float() / 255).final, tasks, spreads)

    return compute


def _bytes(path: Path) -> int:
    """Return the size of a file, including a weight file of the same name, or of all files in a folder."""
    files = path.rglob("*") if path.is_dir() else {path, path.with_suffix(".bin")}
    return sum(file.stat().st_size for file in files if file.is_file())


def _require_same_format(folder: Path, to: str) -> None:
    """Raise ``ValueError`` if a folder has an export of another format, whose files would be replaced."""
    try:
        existing_format = read_json(folder / REPORT)["format"]
    except (OSError, ValueError, TypeError, KeyError):
        return
    if existing_format != to:
        raise ValueError(
            f"{folder} has an export of --to {existing_format}, whose about.json, {REPORT} and {CARD} would be "
            "replaced: choose another folder with --out"
        )


def _require(to: str, needs: Sequence[str]) -> None:
    if missing := [name for name in needs if importlib.util.find_spec(name) is None]:
        raise ValueError(f"--to {to} needs {listed(missing)}: pip install 'taskscape[export]'")
