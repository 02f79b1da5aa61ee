"""Losses of a network on a split, for validation."""

from collections.abc import Mapping

import torch
from torch import Tensor

from taskscape.batch import Batch
from taskscape.distributed import all_reduce_sum, rank
from taskscape.losses import LossTerm
from taskscape.models import Outputs
from taskscape.tasks import Task


class LossMeans:
    """The loss of each task's final predictions: the mean over the global batches with labels for the task.

    The loss of a training epoch is averaged in the same way, so the two are comparable in one chart. Additional terms
    of an objective, such as losses of auxiliary predictions, are not included.
    """

    def __init__(self, tasks: Mapping[str, Task]) -> None:
        self.tasks = tasks
        self.terms: dict[str, list[LossTerm]] = {name: [] for name in tasks}

    def update(self, batch: Batch, outputs: Outputs) -> None:
        """Update with this process's part of the next global batch."""
        for name, task in self.tasks.items():
            self.terms[name].append(task.compute_loss(outputs.final[name], batch.targets[name]))

    def compute(self, device: torch.device) -> dict[str, float]:
        """Return the means by task, except tasks without labels. Every process must call it."""
        means = {}
        for name, task in self.tasks.items():
            terms = [
                LossTerm(term.sum, term.count)
                for term in map(_unpacked, all_reduce_sum(self._table(name, device)))
                if term.count > 0
            ]
            if terms:
                means[name] = torch.stack([task.loss.mean(term) for term in terms]).mean().item()
        return means

    def _table(self, name: str, device: torch.device) -> Tensor:
        """Return one row per global batch with count and sums; the table has the same shape on every process."""
        rows = [torch.stack([term.count.float(), *term.sum.float().reshape(-1)]) for term in self.terms[name]]
        # The first process has a part of every global batch; others may lack one of the last.
        shape = torch.tensor([len(rows), len(rows[0])] if rank() == 0 and rows else [0, 0], device=device)
        batches, width = map(int, all_reduce_sum(shape).tolist())
        table = torch.zeros(batches, width, device=device)
        for index, row in enumerate(rows):
            table[index] = row
        return table


def _unpacked(row: Tensor) -> LossTerm:
    sums = row[1:]
    return LossTerm(sums[0] if len(sums) == 1 else sums, row[0])
