"""Consistency energy: the distance between predictions transferred from other tasks and direct predictions."""

from collections.abc import Mapping

import torch
from torch import Tensor

from taskscape.batch import Batch
from taskscape.devices import with_float64
from taskscape.distributed import all_reduce_sum
from taskscape.models import Network, Outputs
from taskscape.tasks import Task


class ConsistencyEnergy:
    """Means over the pixels with ground truth, by task, logged during training as XTasC-Net does.

    For classes it is the Kullback-Leibler divergence KL(direct ‖ transferred) of the probabilities, in nats; for other
    tasks the mean absolute difference of the decoded values, for example in meters. Networks that do not transfer
    predictions have none.

    Nakano et al., https://arxiv.org/abs/2111.14122.
    """

    def __init__(self, tasks: Mapping[str, Task], network: Network) -> None:
        self.tasks, self.network = tasks, network
        self.sums: dict[str, Tensor] = {}
        """By task, (2,) float64: the sum over pixels, and the number of pixels."""

    def update(self, batch: Batch, outputs: Outputs) -> None:
        """Update with this process's part of a batch. Call it without gradients and in evaluation mode."""
        direct = {name: raw.float() for name, raw in outputs.final.items()}
        for name, transferred in self.network.transfer(direct).items():
            valid = batch.targets[name].valid
            energy = _energy(self.tasks[name], transferred, direct[name])
            double = with_float64(energy.device)
            total = energy.masked_fill(~valid, 0.0).to(double, torch.float64).sum()
            self.sums[name] = self.sums.get(name, 0) + torch.stack([total, valid.sum().to(total)])

    def compute(self, device: torch.device) -> dict[str, float]:
        """Return the means by task, except tasks without labels. Every process must call it."""
        energies = {}
        for name in self.tasks:
            sums = self.sums.get(name, torch.zeros(2, dtype=torch.float64, device=with_float64(device)))
            total, pixels = all_reduce_sum(sums).tolist()
            if pixels:
                energies[name] = total / pixels
        return energies


def _energy(task: Task, transferred: Tensor, direct: Tensor) -> Tensor:
    """Return the energy per pixel, (B, H, W), of two raw outputs, (B, channels, H, W)."""
    if task.predicts_classes:
        log_q, log_p = transferred.log_softmax(1), direct.log_softmax(1)
        return (log_p.exp() * (log_p - log_q)).sum(1)
    difference = (task.decode(transferred) - task.decode(direct)).abs()
    return difference if difference.ndim == 3 else difference.mean(1)
