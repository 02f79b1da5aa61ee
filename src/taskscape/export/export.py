"""A run as a file of one format, with its card and the differences from the run."""

import importlib.util
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from taskscape.data.readers.images import read_image
from taskscape.export import onnx_file, torch_file
from taskscape.export.deployed import Deployed, chosen, trace
from taskscape.export.parity import Parity, compare, speeds
from taskscape.files import atomic_write, writing
from taskscape.released import PHOTOGRAPH, resolve
from taskscape.run_folder import Result, RunFolder
from taskscape.runs import load
from taskscape.serialization import nearest, unstructure

FORMATS: Mapping[str, ModuleType] = {"onnx": onnx_file, "torch": torch_file}
"""By their words; one file each."""

SIZES = ((1.0, 1.0), (0.71, 1.13), (1.27, 0.83), (0.5, 0.5), (1.5, 0.97))
"""Heights and widths of the images that are compared, as shares of the size that the run was evaluated on."""


@dataclass(frozen=True)
class Exported:
    """A file that was written."""

    path: Path
    parity: Mapping[str, Parity]
    """By task."""
    seconds: tuple[float, float]
    """For an image of the size that the run was evaluated on: the network here, and the file."""


def export(
    run: str | Path,
    to: str,
    folder: str | Path,
    *,
    tasks: Sequence[str] = (),
    size: tuple[int, int] | None = None,
) -> Exported:
    """Write the network of a run, or of a model by its name, as ``folder``/model.onnx or model.pt2, and compare.

    It takes one image of any size, or of ``size``, and computes in float32; ``tasks`` are those that it predicts, by
    default all, and what only the others need is left out. ``about.json`` beside it says what goes in and comes out.

    Raises ``ValueError`` with the remedy for an unknown format or task, packages that are not installed, a network that
    torch cannot export, and a file that computes other values than the network, which is removed.
    """
    if to not in FORMATS:
        raise ValueError(f"there is no format {to!r}{nearest(to, FORMATS)}")
    form = FORMATS[to]
    if missing := [name for name in form.NEEDS if importlib.util.find_spec(name) is None]:
        raise ValueError(f"--to {to} needs {' and '.join(missing)}: pip install 'taskscape[export]'")
    place = RunFolder(resolve(run))
    model = load(run, "cpu")
    wanted = chosen(model.tasks, tasks)
    evaluated = Result.load(place.result()).size
    network = model.network.to(memory_format=torch.contiguous_format)
    about = description(wanted, evaluated, size)
    sizes = [size] if size else [(round(evaluated[0] * h), round(evaluated[1] * w)) for h, w in SIZES]
    images = [_image(one) for one in sizes]

    def own(image: Tensor) -> list[Tensor]:
        with torch.no_grad():
            final = network.forward(image.float() / 255).final
            return [task.decode(final[name]) for name, task in wanted.items()]

    expected = [own(image) for image in images]  # before the network is changed for export
    program = trace(Deployed(network, wanted).eval(), size)
    path = Path(folder) / form.NAME
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        form.write(program, path, list(wanted), about)
    atomic_write(path.with_name("about.json"), json.dumps(about, indent=1, ensure_ascii=False) + "\n")
    file = form.opened(path)
    answers = iter(expected)
    parity = compare(lambda image: next(answers), file, images, list(wanted))
    if wrong := {name: one for name, one in parity.items() if not one.holds}:
        for written in (path, *(path.with_name(name) for name in ("about.json", "example.py"))):
            written.unlink(missing_ok=True)
        said = "; ".join(f"{name}: {one}" for name, one in wrong.items())
        raise ValueError(f"{path} computed other values than the network and was removed: {said}")
    return Exported(path, parity, speeds(own, file, images[0]))


def description(tasks: Mapping[str, Any], evaluated: tuple[int, int], size: tuple[int, int] | None) -> dict[str, Any]:
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


def _channels(task: Any) -> int:
    shape = task.modality.shape
    return int(shape[0]) if shape else 1


def _image(size: tuple[int, int]) -> Tensor:
    """Return the photograph that comes with taskscape at a size, (1, 3, H, W) uint8."""
    photograph = torch.from_numpy(read_image(PHOTOGRAPH)).permute(2, 0, 1)[None].float()
    resized = F.interpolate(photograph, size, mode="bilinear", antialias=True)
    return resized.round().clamp(0, 255).to(torch.uint8)
