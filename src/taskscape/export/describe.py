"""Describe the input and outputs of an exported file as plain values, for users who have only the file."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from taskscape.export.formats import confidence_name
from taskscape.inference.loading import fitted
from taskscape.run_folder import RunFolder
from taskscape.run_folder.samples import read_samples
from taskscape.serialization import unstructure
from taskscape.tasks import Task
from taskscape.views import ConfidenceView, view


def description(
    tasks: Mapping[str, Task],
    evaluated: tuple[int, int],
    size: tuple[int, int] | None,
    folder: RunFolder,
    confidence: Mapping[str, ConfidenceView] = MappingProxyType({}),
) -> dict[str, Any]:
    """Return the name, shape, unit, classes and colors of every output, and the description of the input.

    ``colors`` are those of the run's report; see ``View.coloring``. ``confidence`` has the views of the confidence
    outputs by task; in the result, these outputs have the key ``of``, with the task, instead of ``modality``.
    """
    height, width = size or ("height", "width")
    outputs: dict[str, Any] = {}
    samples = read_samples(folder.samples())
    for name, task in tasks.items():
        modality = task.modality
        task_view = fitted(view(modality), name, samples)
        outputs[name] = {
            "title": modality.title or modality.name,
            "shape": [1, height, width] if task.predicts_classes else [1, _channels(task), height, width],
            "unit": modality.unit,
            "colors": dict(task_view.coloring()),
            "modality": unstructure(modality),
        }
        if task_view.classes:
            outputs[name]["classes"] = list(task_view.classes)
    for name, confidence_view in confidence.items():
        outputs[confidence_name(name)] = {
            "title": confidence_view.words,
            "shape": [1, 1, height, width],
            "unit": "0..1",
            "colors": dict(confidence_view.coloring()),
            "of": name,
            "calibrated": confidence_view.calibrated,
        }
    return {
        "input": {"name": "image", "shape": [1, 3, height, width], "type": "uint8", "holds": "RGB, 0..255"},
        "most_accurate_height": evaluated[0],
        "outputs": outputs,
    }


def _channels(task: Task) -> int:
    shape = task.modality.shape
    return int(shape[0]) if shape else 1
