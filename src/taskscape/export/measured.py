"""Compute metrics of a network and of its exported file on the same images, as in the evaluation of runs."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch

from taskscape.data.sample import evenly_spread
from taskscape.evaluation import Evaluator
from taskscape.export.formats import Compute, Job
from taskscape.metrics import MetricSpec

MAX_IMAGES = 200
"""Maximum number of validation images, which are evenly spaced."""


@dataclass(frozen=True)
class Measured:
    """Metrics before and after export."""

    images: int
    network: Mapping[str, float]
    """Metrics of the network in float32, by ``task/metric`` as in a ``Result``."""
    file: Mapping[str, float]
    """Metrics of the file."""
    specs: Mapping[str, MetricSpec]


def measure(job: Job, network: Compute, file: Compute) -> Measured | None:
    """Return the metrics of both on validation data; None if these are not available or do not have the file's size."""
    store = job.val
    if store is None or not len(store):
        return None
    device = torch.device("cpu")
    loader = job.model.experiment.loader(store, device, training=False)
    network_evaluator, file_evaluator = Evaluator(job.tasks, device), Evaluator(job.tasks, device)
    indices = evenly_spread(len(store), MAX_IMAGES)
    for index in indices:
        batch = loader.batch(np.array([index]))
        image = (batch.image * 255).round().to(torch.uint8).contiguous()
        targets = {name: batch.targets[name] for name in job.tasks}
        for evaluator, compute in ((network_evaluator, network), (file_evaluator, file)):
            evaluator.update(dict(zip(job.outputs, compute(image), strict=True)), targets)
    network_result, file_result = network_evaluator.compute(), file_evaluator.compute()
    return Measured(len(indices), network_result.metrics, file_result.metrics, network_result.specs)
