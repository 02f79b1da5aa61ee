"""Evaluation of a network while it trains."""

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
    """Evaluates the weights that a run keeps: those of the network, or their ``average`` where there is one."""

    def __init__(self, training_step: TrainingStep, device: torch.device, average: WeightAverage | None = None) -> None:
        self.training_step, self.network = training_step, training_step.network
        self.device, self.average = device, average

    def __call__(self, batches: Iterable[Batch]) -> tuple[Evaluation, dict[str, float]]:
        """Evaluate the weights that are kept, see ``as_it_is``."""
        with self.averaged():
            return self.as_it_is(batches)

    def averaged(self) -> AbstractContextManager[None]:
        """Let the network have the weights that a run keeps."""
        return nullcontext() if self.average is None else self.average.applied()

    def as_it_is(self, batches: Iterable[Batch]) -> tuple[Evaluation, dict[str, float]]:
        """Evaluate the network on these batches and return ``loss/TASK`` and ``consistency/TASK`` of them too.

        Each process takes its part, all with the first one's statistics.
        """
        if world_size() > 1:
            for buffer in self.network.buffers():
                dist.broadcast(buffer, 0)
        self.network.eval()
        tasks = self.training_step.tasks
        losses, energy = LossMeans(tasks), ConsistencyEnergy(tasks, self.network)

        def also(batch: Batch, outputs: Outputs) -> None:
            losses.update(batch, outputs)
            energy.update(batch, outputs)

        try:
            evaluation = evaluate(self._forward, tasks, batches, self.device, also=also)
        finally:
            self.network.train()
        others = prefixed("loss", losses.compute(self.device)) | prefixed("consistency", energy.compute(self.device))
        return evaluation, others

    def _forward(self, image: Tensor) -> Outputs:
        with autocast(image.device, self.training_step.precision):
            outputs: Outputs = self.network(image)
        return outputs
