"""A run as a file of one format, with its card and the differences from the run."""

import copy
import importlib.util
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from taskscape.data import DataSource
from taskscape.data.readers.images import read_image
from taskscape.export import onnx_file, torch_file
from taskscape.export.data import stores_of
from taskscape.export.deployed import Deployed, chosen, trace
from taskscape.export.formats import Compute, Format, Job, Reduced, Reduction, Wrapper
from taskscape.export.parity import Parity, compare, speeds
from taskscape.files import atomic_write, writing
from taskscape.released import PHOTOGRAPH, resolve
from taskscape.run_folder import Result, RunFolder
from taskscape.runs import load
from taskscape.serialization import nearest, unstructure
from taskscape.tasks import Task

FORMATS: Mapping[str, Format] = {"onnx": onnx_file, "torch": torch_file}
"""By their words."""

WRAPPERS: Mapping[str, Wrapper] = {}
"""What is made out of the file of a format, by its word."""

SIZES = ((1.0, 1.0), (0.71, 1.13), (1.27, 0.83), (0.5, 0.5), (1.5, 0.97))
"""Heights and widths of the images that are compared, as shares of the size that the run was evaluated on."""


@dataclass(frozen=True)
class Exported:
    """What was written."""

    path: Path
    """The file, or what a wrapper made of it."""
    parity: Mapping[str, Parity]
    """By task: how far its values are from the network's."""
    seconds: tuple[float, float]
    """For an image of the size that the run was evaluated on: the network here, and the file."""
    reduced: Reduced | None = None
    """What a reduction did, where there was one."""


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
) -> Exported:
    """Write the network of a run, or of a model by its name, as a file of a format into a folder, and compare.

    It takes one image of any size, or of ``size``, and computes in float32; ``tasks`` are those that it predicts, by
    default all, and what only the others need is left out. ``about.json`` beside it says what goes in and comes out.

    Args:
        run: The folder of a run, or the name of a model.
        to: The word of a format or wrapper, a key of ``FORMATS`` or ``WRAPPERS``.
        folder: Where to write; it is made.
        tasks: What is predicted.
        size: Height and width of images; by default any.
        options: Settings of the format or wrapper by name (``Format.OPTIONS``).
        reduction: What makes the file smaller after it was compared, such as int8.
        data: A source or the folder of a store with real pictures; by default the run's own data, if it is at hand.

    Raises:
        FileNotFoundError: The run or the data is not there.
        ValueError: With the remedy for an unknown format, task or option, packages that are not installed, a network
            that cannot be exported, and a file that computes other values than the network, which is removed.
    """
    wrapper = WRAPPERS.get(to)
    word = wrapper.OF if wrapper else to
    if word not in FORMATS:
        raise ValueError(f"there is no format {to!r}{nearest(to, [*FORMATS, *WRAPPERS])}")
    form = FORMATS[word]
    _require(to, (*form.NEEDS, *(wrapper.NEEDS if wrapper else ())))
    known = (wrapper or form).OPTIONS
    for name in options:
        if name not in known:
            raise ValueError(f"--to {to} has no option {name!r}{nearest(name, known)}")
    if reduction is not None:
        if word not in reduction.formats:
            raise ValueError(f"--{reduction.name} is for --to {' or '.join(reduction.formats)}, not for --to {to}")
        _require(f"{to} --{reduction.name}", reduction.needs)
    place = RunFolder(resolve(run))
    model = load(run, "cpu")
    wanted = chosen(model.tasks, tasks)
    evaluated = Result.load(place.result()).size
    model = model._replace(network=model.network.to(memory_format=torch.contiguous_format))
    program = trace(Deployed(copy.deepcopy(model.network), wanted).eval(), size)
    about = description(wanted, evaluated, size)
    job = Job(
        place, model, wanted, evaluated, size, program, about, {**known, **options}, stores_of(place, model, data)
    )
    own, images = _own(job), [_image(one) for one in _sizes(job)]
    expected = [own(image) for image in images]
    path = Path(folder) / form.NAME
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        form.write(job, path)
    atomic_write(path.with_name("about.json"), json.dumps(about, indent=1, ensure_ascii=False) + "\n")
    parity = _compared(job, form, path, images, expected)
    if wrong := {name: one for name, one in parity.items() if not one.holds}:
        for written in (*form.files(path), path.with_name("about.json")):
            written.unlink(missing_ok=True)
        said = "; ".join(f"{name}: {one}" for name, one in wrong.items())
        raise ValueError(f"{path} computed other values than the network and was removed: {said}")
    reduced = None
    if reduction is not None:
        reduced = reduction.reduce(job, path, form)
        parity = _compared(job, form, path, images, expected)
    seconds = speeds(own, form.opened(path), images[0])
    if wrapper:
        path = wrapper.wrap(job, path)
    return Exported(path, parity, seconds, reduced)


def _require(to: str, needs: Sequence[str]) -> None:
    if missing := [name for name in needs if importlib.util.find_spec(name) is None]:
        raise ValueError(f"--to {to} needs {' and '.join(missing)}: pip install 'taskscape[export]'")


def _own(job: Job) -> Compute:
    """Return what the network computes."""

    def compute(image: Tensor) -> list[Tensor]:
        with torch.no_grad():
            final = job.model.network.forward(image.float() / 255).final
            return [task.decode(final[name]) for name, task in job.tasks.items()]

    return compute


def _sizes(job: Job) -> list[tuple[int, int]]:
    height, width = job.evaluated
    return [job.size] if job.size else [(round(height * h), round(width * w)) for h, w in SIZES]


def _compared(
    job: Job, form: Format, path: Path, images: Sequence[Tensor], expected: Sequence[list[Tensor]]
) -> dict[str, Parity]:
    answers = iter(expected)
    return compare(lambda image: next(answers), form.opened(path), images, list(job.tasks))


def description(tasks: Mapping[str, Task], evaluated: tuple[int, int], size: tuple[int, int] | None) -> dict[str, Any]:
    """Return what goes in and what comes out, in plain values: for programs that have the file alone."""
    height, width = size or ("height", "width")
    outputs = {
        name: {
            "shape": [1, height, width] if task.predicts_classes else [1, _channels(task), height, width],
            "unit": task.modality.unit,
            "modality": unstructure(task.modality),
        }
        for name, task in tasks.items()
    }
    return {
        "input": {"name": "image", "shape": [1, 3, height, width], "type": "uint8", "holds": "RGB, 0..255"},
        "most_accurate_height": evaluated[0],
        "outputs": outputs,
    }


def _channels(task: Task) -> int:
    shape = task.modality.shape
    return int(shape[0]) if shape else 1


def _image(size: tuple[int, int]) -> Tensor:
    """Return the photograph that comes with taskscape at a size, (1, 3, H, W) uint8."""
    photograph = torch.from_numpy(read_image(PHOTOGRAPH)).permute(2, 0, 1)[None].float()
    resized = F.interpolate(photograph, size, mode="bilinear", antialias=True)
    return resized.round().clamp(0, 255).to(torch.uint8)
