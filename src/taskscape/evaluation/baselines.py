"""Image-blind baselines: a network that does not beat them has learned nothing from images."""

from collections.abc import Iterator, Mapping
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from taskscape.batch import Batch
from taskscape.data import Loader, Store
from taskscape.data.sample import evenly_spread, sample_values
from taskscape.evaluation.evaluator import Evaluation, Evaluator
from taskscape.metrics.spec import MetricSpec
from taskscape.tasks import Task, tasks_for

_CPU = torch.device("cpu")
_BATCH_SIZE = 16


class Baseline(NamedTuple):
    """Metrics of both image-blind baselines, by ``task/metric``."""

    constant: dict[str, float]
    """Predicts the typical value of the whole split at every pixel, such as the most frequent class."""
    by_position: dict[str, float]
    """Predicts the typical value at each pixel's position."""
    specs: dict[str, MetricSpec]
    """The spec of each metric."""


def baseline(train: Store, val: Store, tasks: Mapping[str, Task] | None = None, *, most: int | None = None) -> Baseline:
    """Fit both baselines to the labels of one split and evaluate them on another split of the same store.

    They are fitted to ``most`` images, evenly spread, or to all. With several processes, each does all of the work.

    ``tasks`` are the tasks to evaluate, by default the package's tasks for the fields of the store
    (``taskscape.tasks.tasks_for``), with their ranges from its labels as in training. Raises ``ValueError`` if there
    are none.
    """
    if tasks is None:
        tasks = {
            name: task.for_values(partial(sample_values, train, task.source_for(name)))[0]
            for name, task in tasks_for(train.fields).items()
        }
    if not tasks:
        raise ValueError(
            f"{train.path}: no built-in task predicts {', '.join(train.fields)}; name your own tasks (--recipe)"
        )
    sums = _accumulate(tasks, train, most or len(train))
    totals = {name: x.sum((1, 2), keepdim=True).expand_as(x) for name, x in sums.items()}
    by_position = {name: torch.where(_has_labels(x), x, totals[name]) for name, x in sums.items()}
    constant, positional = (_evaluate(tasks, statistics, val) for statistics in (totals, by_position))
    return Baseline(constant.metrics, positional.metrics, constant.specs)


def _accumulate(tasks: Mapping[str, Task], store: Store, most: int) -> dict[str, Tensor]:
    """Return the sums of each task's labels by position, (n, H, W)."""
    sums = {name: torch.zeros(()) for name in tasks}
    for batch in _batches(tasks, store, most):
        for name, task in tasks.items():
            sums[name] = sums[name] + task.modality.accumulate(batch.targets[name])
    return sums


def _has_labels(sums: Tensor) -> Tensor:
    """Return a mask, (1, H, W), of positions where any image has a label."""
    return sums.abs().sum(0, keepdim=True) > 0


def _evaluate(tasks: Mapping[str, Task], statistics: Mapping[str, Tensor], store: Store) -> Evaluation:
    """Evaluate the averages of these sums as the prediction for every image."""
    averages = {name: task.modality.average(statistics[name]) for name, task in tasks.items()}
    evaluator = Evaluator(tasks, _CPU)
    for batch in _batches(tasks, store, len(store)):
        values = {name: batch.targets[name].value for name in tasks}
        predictions = {name: average.to(values[name]).expand_as(values[name]) for name, average in averages.items()}
        evaluator.update(predictions, batch.targets)
    return evaluator.compute()


def _batches(tasks: Mapping[str, Task], store: Store, most: int) -> Iterator[Batch]:
    """Yield batches of at most ``most`` images of a split, evenly spread."""
    loader = Loader(store, tasks, _BATCH_SIZE, _CPU, rank=0, world_size=1)
    indices = evenly_spread(len(store), most)
    for chunk in np.array_split(indices, -(-len(indices) // _BATCH_SIZE)):
        yield loader.batch(chunk)
