"""Outputs and targets to one loss per task."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from taskscape.batch import Target
from taskscape.distributed import total
from taskscape.tasks import Task

Tasks = Mapping[str, Task]
"""The tasks by name."""


def present(targets: Mapping[str, Target]) -> list[str]:
    """Return the tasks that have a valid pixel anywhere in the joined batch: the only ones that have a loss."""
    some = total(torch.stack([target.valid.any() for target in targets.values()]).float())
    # A synchronisation point: which losses exist decides what is computed.
    return [task for task, any_valid in zip(targets, some.tolist(), strict=True) if any_valid]


class Objective(ABC):
    """A frozen dataclass of plain values that turns outputs and targets into one loss per task."""

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
        """Return the loss of each of ``tasks``, those that are ``present``.

        ``final`` and ``auxiliary`` are a network's outputs, for all its tasks.
        """


@dataclass(frozen=True)
class Supervised(Objective):
    """Every prediction is compared with the ground truth; a task's loss is the mean over its predictions."""

    name: ClassVar[str] = "supervised"

    def __call__(
        self,
        tasks: Tasks,
        final: Mapping[str, Tensor],
        auxiliary: Mapping[str, Mapping[str, Tensor]],
        targets: Mapping[str, Target],
    ) -> dict[str, Tensor]:
        """Return the mean loss of each task's final and auxiliary predictions."""
        losses = {}
        for name, task in tasks.items():
            predictions = [final[name], *(role[name] for role in auxiliary.values() if name in role)]
            losses[name] = torch.stack([task.loss_of(raw, targets[name]) for raw in predictions]).mean()
        return losses
