"""Predictors that do not look at the image: what a network must beat before it has learnt anything."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from taskscape.batch import Batch
from taskscape.data import Store
from taskscape.evaluation.evaluate import computed
from taskscape.tasks import Depth, SemanticSegmentation, SurfaceNormals, Task

_AT_ONCE = 16


class Baseline(NamedTuple):
    """Metrics by ``task/metric`` of both predictors."""

    constant: dict[str, float]
    """The same value for every pixel: the most frequent class, the geometric mean of depth, the mean direction."""
    by_position: dict[str, float]
    """The same of each pixel's position in the image."""


def baseline(train: Store, val: Store) -> Baseline:
    """Fit both predictors to the labels of one split and measure them on another of the same store."""
    tasks = tasks_of(train)
    sums = _sums(tasks, train)
    everywhere = {name: of.sum((1, 2), keepdim=True).expand_as(of) for name, of in sums.items()}
    filled = {name: torch.where(_any(sums[name]), sums[name], everywhere[name]) for name in tasks}
    constant, by_position = ({n: _predict(tasks[n], of[n]) for n in tasks} for of in (everywhere, filled))
    return Baseline(_measure(tasks, constant, val), _measure(tasks, by_position, val))


def tasks_of(store: Store) -> dict[str, Task]:
    """Return a task for every label of a store."""
    known = (
        SemanticSegmentation(store.class_set),
        Depth(scale_known=store.depth_scale_known),
        SurfaceNormals(),
    )
    return {task.name: task for task in known if task.name in store.tasks}


def _batches(store: Store, tasks: Mapping[str, Task]) -> Iterator[Batch]:
    for start in range(0, len(store), _AT_ONCE):
        yield store.gather(range(start, min(start + _AT_ONCE, len(store))), tuple(tasks), torch.device("cpu"))


def _sums(tasks: Mapping[str, Task], store: Store) -> dict[str, Tensor]:
    """Return per task and position (n, H, W): pixels per class; sum of log metres, and pixels; sum of directions."""
    sums = {name: torch.zeros(()) for name in tasks}
    for batch in _batches(store, tasks):
        for name, task in tasks.items():
            value, valid = batch.targets[name]
            match task.kind:
                case "classes":
                    ids = value.masked_fill(~valid, task.channels)
                    part = F.one_hot(ids, task.channels + 1)[..., :-1].movedim(3, 1)
                case "depth":
                    part = torch.cat([value.masked_fill(~valid[:, None], 1.0).log(), valid[:, None].float()], 1)
                case "directions":
                    part = value.masked_fill(~valid[:, None], 0.0)
            sums[name] = sums[name] + part.double().sum(0)
    return sums


def _any(sums: Tensor) -> Tensor:
    """Return where a position ever had a label, (1, H, W)."""
    return sums.abs().sum(0, keepdim=True) > 0


def _predict(task: Task, sums: Tensor) -> Tensor:
    match task.kind:
        case "classes":
            return sums.argmax(0)
        case "depth":
            return (sums[:1] / sums[1:].clamp(min=1)).exp()
        case "directions":
            return F.normalize(sums, dim=0)


def _measure(tasks: Mapping[str, Task], predictions: Mapping[str, Tensor], store: Store) -> dict[str, float]:
    metrics = {name: task.metric() for name, task in tasks.items()}
    for batch in _batches(store, tasks):
        for name, metric in metrics.items():
            value, valid = batch.targets[name]
            metric.update(predictions[name].expand_as(value).to(value.dtype), value, valid)
    return computed(metrics)
