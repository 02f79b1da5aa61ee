"""Memory of a training step, and the largest batch that fits."""

from typing import NamedTuple

import torch

from taskscape.batch import Batch, Target
from taskscape.machine import free_memory
from taskscape.parallel import parallel_map
from taskscape.runs import Experiment
from taskscape.runs.fastest import in_format_of, trial_step
from taskscape.training.usage import Usage
from taskscape.training.ways import Way

MEBIBYTE = 2.0**20


class Memory(NamedTuple):
    """Memory of a training step, in bytes, and the batch on which it was measured."""

    peak: float
    """Peak memory of a process that trains on this batch; on a GPU that of its tensors."""
    per_image: float
    """Additional memory per image of a batch."""
    free: float
    """Free memory of this machine or its GPU."""
    images: int
    """Number of images of the batch."""

    @property
    def largest_batch(self) -> int | None:
        """The largest batch that fits, extrapolated linearly from two batch sizes; None if it cannot be."""
        if self.per_image <= 0:
            return None
        return max(int(self.images + (self.free - self.peak) / self.per_image), 0)


def memory(experiment: Experiment, way: Way, batch: Batch) -> Memory:
    """Measure steps on this batch and on one of twice as many images, each in its own process."""
    once, twice = (
        next(iter(parallel_map(_peak, [(experiment, way, _repeated(batch, times))], 1, 1, in_caller=False)))
        for times in (1, 2)
    )
    assert isinstance(once, float) and isinstance(twice, float)
    images = len(batch.image)
    return Memory(once, (twice - once) / images, free_memory(batch.image.device), images)


def _repeated(batch: Batch, times: int) -> Batch:
    targets = {name: Target(*(torch.cat([x] * times) for x in target)) for name, target in batch.targets.items()}
    return Batch(torch.cat([batch.image] * times), targets, torch.cat([batch.indices] * times))


def _peak(experiment: Experiment, way: Way, batch: Batch) -> float:
    step, formatted_batch = trial_step(experiment, way, batch), in_format_of(way, batch)
    for index in range(2):
        step(formatted_batch, index)
    usage = Usage(batch.image.device).read()
    return MEBIBYTE * usage.get("memory/gpu", usage["memory/process"])
