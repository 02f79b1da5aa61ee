"""Metrics of a network over a split, and the pictures that go with them."""

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from taskscape.batch import Batch
from taskscape.metrics import TaskMetric, grader
from taskscape.models.base import Outputs
from taskscape.tasks import Task

Forward = Callable[[Tensor], Outputs]
"""A network in evaluation mode, in the precision of its choice."""


class Measured(NamedTuple):
    """What a pass over a split gave."""

    metrics: dict[str, float]
    """By ``task/metric``."""
    figures: dict[str, Any]
    """By ``task/figure``, see ``Result.figures``."""
    images: int
    seconds_per_image: float
    """Of the forward pass alone, in the batches of the loader."""


@torch.no_grad()
def measure(network: Forward, tasks: Mapping[str, Task], batches: Iterable[Batch], device: torch.device) -> Measured:
    """Measure every task over the batches of all processes.

    Every process brings its own share of the images and gets the metrics of all.
    """
    metrics = {name: task.metric().to(device) for name, task in tasks.items()}
    images, seconds = 0, 0.0
    for batch in batches:
        started = _now(device)
        final = network(batch.image).final
        seconds += _now(device) - started
        images += len(batch.image)
        for name, task in tasks.items():
            metrics[name].update(task.decode(final[name]), *batch.targets[name])
    values = computed(metrics)
    figures = {f"{task}/{key}": value for task, metric in metrics.items() for key, value in metric.figures().items()}
    return Measured(values, figures, images, seconds / max(images, 1))


def computed(metrics: Mapping[str, TaskMetric]) -> dict[str, float]:
    """Return the values of every task's metrics by ``task/metric``, and the grader where there is one."""
    values = {f"{task}/{key}": value for task, metric in metrics.items() for key, value in metric.compute().items()}
    if (grade := grader(values)) is not None:
        values["grader"] = grade
    return values


@torch.no_grad()
def pictures(network: Forward, tasks: Mapping[str, Task], batch: Batch) -> dict[str, npt.NDArray[np.generic]]:
    """Return images, labels and predictions of a batch as arrays that a report draws.

    ``image`` (N, H, W, 3) uint8; for every task ``TASK/label``, ``TASK/prediction`` (N, H, W) or (N, H, W, 3) in the
    task's quantity, ``TASK/valid`` (N, H, W) bool.
    """
    final = network(batch.image).final
    arrays = {"image": _pixels_last((batch.image * 255).round().to(torch.uint8))}
    for name, task in tasks.items():
        target = batch.targets[name]
        arrays[f"{name}/label"] = _pixels_last(target.value)
        arrays[f"{name}/valid"] = target.valid.cpu().numpy()
        arrays[f"{name}/prediction"] = _pixels_last(task.decode(final[name]))
    return arrays


def _pixels_last(x: Tensor) -> npt.NDArray[np.generic]:
    array = x.cpu().numpy()
    if array.ndim == 3:
        return array.astype(np.uint8)
    array = np.moveaxis(array, 1, -1)
    return array[..., 0] if array.shape[-1] == 1 else array


def _now(device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize(device)  # the clock must not stop before the GPU does
    return time.perf_counter()
