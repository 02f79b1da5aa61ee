"""Evaluation of a network on a split, and sample images for reports."""

import math
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy.typing as npt
import torch
from torch import Tensor, nn

from taskscape.batch import Batch, Target, require_tensor
from taskscape.devices import find_device, with_float64
from taskscape.evaluation.finite import NotFinite
from taskscape.evaluation.timing import now
from taskscape.metrics.base import TaskMetric
from taskscape.metrics.joint import JOINT
from taskscape.metrics.spec import MetricSpec
from taskscape.modalities import Rgb
from taskscape.models import Network, Outputs
from taskscape.serialization import named
from taskscape.tasks import Task
from taskscape.tasks.required import require_all

Forward = Callable[[Tensor], Outputs]
"""A network in evaluation mode: maps (B, 3, H, W) images in 0..1 to ``Outputs``."""


class Evaluation(NamedTuple):
    """The result of a pass over a split."""

    metrics: dict[str, float]
    """By ``task/metric``; joint metrics by their name."""
    specs: dict[str, MetricSpec]
    """The spec of each metric, by the same keys, in display order. Some may have no metric: a class that does not occur
    has no IoU."""
    plots: dict[str, Any]
    """By ``task/plot``: plain lists, see ``Result.plots``."""
    images: int
    """Number of images of this process."""
    seconds_per_image: float
    """Time of the forward pass alone, in the given batches, without the first of several, which is a warm-up; 0 if not
    measured."""


def evaluate(
    forward: Forward,
    tasks: Mapping[str, Task],
    batches: Iterable[Batch],
    device: str | torch.device,
    also: Callable[[Batch, Outputs], None] = lambda batch, outputs: None,
) -> Evaluation:
    """Evaluate a network on the batches of all processes.

    Each process passes its own part of the images and gets the metrics of all. ``also`` is called with each batch and
    the network's outputs for it. Raises ``ValueError`` for a network in training mode, for anything but ``Batch`` and
    ``Outputs``, for a task without an output or a target, for outputs that are not finite, and for metrics without a
    spec.
    """
    require_evaluation_mode(forward)
    device = find_device(device)
    evaluator, not_finite = Evaluator(tasks, device), NotFinite(tasks, device)
    times: list[tuple[float, int]] = []
    with torch.no_grad():
        for batch in batches:
            if not isinstance(batch, Batch):
                raise ValueError(
                    f"a batch is of type {type(batch).__name__}: give taskscape.batch.Batch(image, targets, indices)"
                )
            started = now(device)
            outputs = forward(batch.image)
            times.append((now(device) - started, len(batch.image)))
            if not isinstance(outputs, Outputs):
                raise ValueError(
                    f"the network gives outputs of type {type(outputs).__name__}: they must be "
                    "taskscape.models.Outputs(final, {}, ()), where final has the raw map of each task"
                )
            final = outputs.final
            require_all(tasks, final, "output of the network")
            not_finite.update(final)
            evaluator.update({name: _decoded(task, final[name]) for name, task in tasks.items()}, batch.targets)
            also(batch, outputs)
    not_finite.check()
    timed = times[1:] or times
    images = sum(images for _, images in timed)
    return evaluator.compute(sum(seconds for seconds, _ in timed) / max(images, 1))


class Evaluator:
    """Accumulates the metrics of decoded predictions from any source."""

    def __init__(self, tasks: Mapping[str, Task], device: str | torch.device) -> None:
        self.device = with_float64(find_device(device))
        self.metrics = {name: task.metrics().to(self.device) for name, task in tasks.items()}
        self.images = 0

    def update(self, predictions: Mapping[str, Tensor], targets: Mapping[str, Target]) -> None:
        """Update with the decoded predictions of a batch, shaped as in ``taskscape.batch.Target``.

        Raises ``ValueError`` for a task without a prediction or a target, or with a prediction of another shape.
        """
        require_all(self.metrics, predictions, "prediction")
        require_all(self.metrics, targets, "target")
        for name, metric in self.metrics.items():
            require_tensor(f"the prediction of {name}", predictions[name])
            shape, expected = tuple(predictions[name].shape), tuple(targets[name].value.shape)
            if shape != expected:  # a metric of the user might broadcast them
                raise ValueError(
                    f"the decoded prediction of {name} is {shape}, and its target is {expected}: they must be the same"
                )
            metric.update(predictions[name].to(self.device), *(part.to(self.device) for part in targets[name]))
        self.images += len(next(iter(targets.values())).valid)

    def compute(self, seconds_per_image: float = 0.0) -> Evaluation:
        """Return the metrics of all processes, together with a time per image that the caller has measured."""
        values: dict[str, float] = {}
        plots: dict[str, Any] = {}
        for name, metric in self.metrics.items():
            task_values = _numbers(metric)
            if undeclared := [key for key in task_values if key not in metric.specs]:
                raise ValueError(
                    f"{type(metric).__name__}, the metric of task {name}, computes {', '.join(undeclared)} without a "
                    "spec: declare it in `specs`"
                )
            values |= {f"{name}/{key}": value for key, value in task_values.items()}
            plots |= {f"{name}/{key}": plot for key, plot in metric.plots().items()}
        specs = {f"{name}/{key}": spec for name, metric in self.metrics.items() for key, spec in metric.specs.items()}
        for joint in JOINT:
            value = joint.compute(values)
            if value is not None:
                values[joint.name], specs[joint.name] = value, joint.spec
        return Evaluation(values, specs, plots, self.images, seconds_per_image)


def _decoded(task: Task, raw: Tensor) -> Tensor:
    """Decode an output. Raises ``ValueError`` that names a task, such as a user's, that does not return a tensor."""
    value: Any = task.decode(raw)
    if not isinstance(value, Tensor):
        raise ValueError(f"{named(type(task).decode)} gives a {type(value).__name__}: return a tensor")
    return value


def _numbers(metric: TaskMetric) -> dict[str, float]:
    """Return the values of a metric as floats, without NaN, which stands for values without any pixels.

    Raises ``ValueError`` that names the metric if it computes anything else, or infinity.
    """
    computed: Any = metric.compute()
    try:
        numbers = {str(name): float(value) for name, value in computed.items()}
    except (AttributeError, TypeError, ValueError, RuntimeError) as error:
        raise ValueError(f"{named(type(metric).compute)} must return numbers by name ({error})") from error
    if infinite := [name for name, number in numbers.items() if math.isinf(number)]:
        raise ValueError(
            f"{named(type(metric).compute)} gives {numbers[infinite[0]]} for {infinite[0]}: it must be finite"
        )
    return {name: number for name, number in numbers.items() if not math.isnan(number)}


def require_evaluation_mode(forward: Forward) -> None:
    """Raise ``ValueError`` for a network in training mode, in which predictions depend on the batch and change it."""
    if isinstance(forward, nn.Module) and forward.training:
        raise ValueError(
            f"{type(forward).__name__} is in training mode, where normalization and dropout depend on the batch: call "
            "network.eval() before, and network.train() to continue training"
        )


@torch.no_grad()
def collect_samples(
    forward: Forward,
    tasks: Mapping[str, Task],
    batch: Batch,
    network: Network | None = None,
    spreads: Mapping[str, float] = MappingProxyType({}),
) -> dict[str, npt.NDArray[Any]]:
    """Return images, labels and predictions of a batch as the sample arrays of a report.

    ``image`` is (N, H, W, 3) uint8. For each task, ``TASK/label`` and ``TASK/prediction`` are (N, H, W) + the shape of
    its modality, and ``TASK/valid`` is (N, H, W) bool. With ``network``, if it supports them, there are also
    ``TASK/transferred``, the prediction transferred from another task, shaped as ``TASK/prediction``, and
    ``TASK/attention``, (N, channels, h, w) uint8: the attention of each class to each cell, scaled to a maximum of 255.
    For tasks in ``spreads``, by their calibration, ``TASK/confidence`` is (N, H, W) float16 in 0..1. Raises
    ``ValueError`` for a network in training mode.
    """
    require_evaluation_mode(forward)
    final = forward(batch.image).final
    arrays = {"image": Rgb().to_array(batch.image)}
    for name, task in tasks.items():
        value, valid = batch.targets[name]
        arrays[f"{name}/label"] = task.modality.to_array(value)
        arrays[f"{name}/valid"] = valid.cpu().numpy()
        arrays[f"{name}/prediction"] = task.modality.to_array(task.decode(final[name]))
        confidence = task.confidence_of(final[name], spreads[name]) if name in spreads else None
        if confidence is not None:
            arrays[f"{name}/confidence"] = confidence.half().cpu().numpy()
    if network is not None:
        for name, raw in network.transfer({name: raw.float() for name, raw in final.items()}).items():
            arrays[f"{name}/transferred"] = tasks[name].modality.to_array(tasks[name].decode(raw))
        for name, maps in network.attention_maps(batch.image).items():
            share = maps.float() / maps.float().amax((2, 3), keepdim=True).clamp(min=1e-12)
            arrays[f"{name}/attention"] = (255 * share).round().byte().cpu().numpy()
    return arrays
