"""Evaluation of a network during training."""

from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext

import torch
import torch.distributed as dist
from torch import Tensor

from taskscape.batch import Batch
from taskscape.distributed import world_size
from taskscape.evaluation import ConsistencyEnergy, Evaluation, LossMeans, evaluate
from taskscape.models import Outputs
from taskscape.training.average import WeightAverage
from taskscape.training.log import prefixed
from taskscape.training.precision import autocast
from taskscape.training.step import TrainingStep


class Validation:
    """Evaluates the weights that a run keeps: those of the network, or their ``average`` if there is one."""

    def __init__(self, training_step: TrainingStep, device: torch.device, average: WeightAverage | None = None) -> None:
        self.training_step, self.network = training_step, training_step.network
        self.device, self.average = device, average

    def __call__(self, batches: Iterable[Batch]) -> tuple[Evaluation, dict[str, float]]:
        """Evaluate the weights that the run keeps; see ``as_it_is``."""
        with self.averaged():
            return self.as_it_is(batches)

    def averaged(self) -> AbstractContextManager[None]:
        """Return a context in which the network has the weights that the run keeps."""
        return nullcontext() if self.average is None else self.average.applied()

    def as_it_is(self, batches: Iterable[Batch]) -> tuple[Evaluation, dict[str, float]]:
        """Evaluate the network's current weights on these batches, with ``loss/TASK`` and ``consistency/TASK``.

        Each process evaluates its part of the batches, all with the statistics of the first process.
        """
        if world_size() > 1:
            for buffer in self.network.buffers():
                dist.broadcast(buffer, 0)
        self.network.eval()
        tasks = self.training_step.tasks
        losses, energy = LossMeans(tasks), ConsistencyEnergy(tasks, self.network)

        def update_losses(batch: Batch, outputs: Outputs) -> None:
            losses.update(batch, outputs)
            energy.update(batch, outputs)

        try:
            evaluation = evaluate(self._forward, tasks, batches, self.device, also=update_losses)
        finally:
            self.network.train()
        others = prefixed("loss", losses.compute(self.device)) | prefixed("consistency", energy.compute(self.device))
        return evaluation, others

    def _forward(self, image: Tensor) -> Outputs:
        with autocast(image.device, self.training_step.precision):
            outputs: Outputs = self.network(image)
        return outputs
