"""Outputs and targets to one loss per task: the one place where losses meet all processes."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor

from taskscape.batch import Target
from taskscape.distributed import all_reduce_sum, all_reduce_sum_local_gradient, world_size
from taskscape.losses import Loss, LossTerm
from taskscape.serialization.ranges import RangedSettings
from taskscape.tasks import Task

Tasks = Mapping[str, Task]
"""The tasks by name."""


def labelled(targets: Mapping[str, Target]) -> list[str]:
    """Return the tasks with a valid pixel anywhere in the global batch: the only ones that have a loss."""
    some = all_reduce_sum(torch.stack([target.valid.any() for target in targets.values()]).float())
    # A synchronisation point: which losses exist decides what is computed.
    return [task for task, any_valid in zip(targets, some.tolist(), strict=True) if any_valid]


def global_mean(loss: Loss, term: LossTerm) -> Tensor:
    """Return this process's part of the loss of the global batch.

    Added up over all processes, values and gradients are those of the global batch. Every process must call it.
    """
    whole = loss.mean(LossTerm(all_reduce_sum_local_gradient(term.sum), all_reduce_sum(term.count)))
    # The gradient is this process's part already; the value is everyone's.
    return whole if world_size() == 1 else whole - whole.detach() * (1 - 1 / world_size())


class Objective(RangedSettings, ABC):
    """Turns outputs and targets into one loss per task. A frozen dataclass of plain values."""

    name: ClassVar[str]
    """The name on the command line and in saved experiments."""

    @abstractmethod
    def __call__(
        self,
        tasks: Tasks,
        final: Mapping[str, Tensor],
        auxiliary: Mapping[str, Mapping[str, Tensor]],
        targets: Mapping[str, Target],
    ) -> dict[str, Tensor]:
        """Return this process's part of the loss of each of ``tasks``, those that are ``labelled``.

        ``final`` and ``auxiliary`` are a network's outputs, for all its tasks.
        """
