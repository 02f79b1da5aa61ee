"""Evaluation of a network during training."""

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext

import torch.distributed as dist
from torch import Tensor

from taskscape.batch import Batch
from taskscape.data import Loader
from taskscape.distributed import world_size
from taskscape.evaluation import ConsistencyEnergy, Evaluation, LossMeans, evaluate
from taskscape.models import Outputs
from taskscape.training.average import WeightAverage
from taskscape.training.log import prefixed
from taskscape.training.precision import autocast
from taskscape.training.step import TrainingStep


class Validation:
    """Evaluates the weights that a run keeps: those of the network, or their ``average`` if there is one."""

    def __init__(
        self,
        training_step: TrainingStep,
        data: Loader,
        train_images: Callable[[], Iterable[Batch]] | None,
        average: WeightAverage | None,
    ) -> None:
        """Take the validation data; ``train_images`` returns training images that are evaluated with them."""
        self.training_step, self.data = training_step, data
        self.train_images, self.average = train_images, average

    def __call__(self) -> tuple[Evaluation, dict[str, float]]:
        """Evaluate the weights that the run keeps on the validation images; also return other columns of the log.

        These are ``train/TASK/METRIC`` of the training images; ``not_averaged/TASK/METRIC`` of the network's weights if
        an average is kept; ``val/loss/TASK`` and ``val/consistency/TASK``. Metrics of single classes are left out.
        """
        columns: dict[str, float] = {}
        with self.averaged():
            evaluation, others = self._evaluate(self.data.epoch(0))
            if self.train_images is not None:
                columns |= prefixed("train", _without_class_metrics(self._evaluate(self.train_images())[0]))
        if self.average is not None:
            columns |= prefixed("not_averaged", _without_class_metrics(self._evaluate(self.data.epoch(0))[0]))
        return evaluation, columns | prefixed("val", others)

    def averaged(self) -> AbstractContextManager[None]:
        """Return a context in which the network has the weights that the run keeps."""
        return nullcontext() if self.average is None else self.average.applied()

    def _evaluate(self, batches: Iterable[Batch]) -> tuple[Evaluation, dict[str, float]]:
        """Evaluate the network's current weights on these batches, with ``loss/TASK`` and ``consistency/TASK``.

        Each process evaluates its part of the batches, all with the statistics of the first process.
        """
        network, tasks, device = self.training_step.network, self.training_step.tasks, self.data.device
        if world_size() > 1:
            for buffer in network.buffers():
                dist.broadcast(buffer, 0)
        network.eval()
        losses, energy = LossMeans(tasks), ConsistencyEnergy(tasks, network)

        def update_losses(batch: Batch, outputs: Outputs) -> None:
            losses.update(batch, outputs)
            energy.update(batch, outputs)

        try:
            evaluation = evaluate(self._forward, tasks, batches, device, also=update_losses)
        finally:
            network.train()
        others = prefixed("loss", losses.compute(device)) | prefixed("consistency", energy.compute(device))
        return evaluation, others

    def _forward(self, image: Tensor) -> Outputs:
        with autocast(image.device, self.training_step.precision):
            outputs: Outputs = self.training_step.network(image)
        return outputs


def _without_class_metrics(evaluation: Evaluation) -> dict[str, float]:
    return {name: x for name, x in evaluation.metrics.items() if not evaluation.specs[name].per_class}
