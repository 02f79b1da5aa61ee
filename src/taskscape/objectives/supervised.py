"""Supervised learning."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from typing_extensions import override

from taskscape.batch import Target
from taskscape.objectives.base import Objective, Tasks, global_mean, loss_term, target_of
from taskscape.tasks.required import require_all


@dataclass(frozen=True)
class Supervised(Objective):
    """Every prediction is compared with the ground truth; a task's loss is the mean over its predictions.

    These are the final prediction and one for each role in the network's ``auxiliary`` that includes the task.

    >>> from taskscape.batch import Target
    >>> from taskscape.tasks import SurfaceNormals
    >>> up = torch.tensor([0.0, -1.0, 0.0]).view(1, 3, 1, 1).expand(1, 3, 2, 2)
    >>> target = Target(up, torch.ones(1, 2, 2, dtype=torch.bool))
    >>> losses = Supervised()({"normals": SurfaceNormals()}, {"normals": up}, {}, {"normals": target})
    >>> round(losses["normals"].item(), 5)
    0.0
    """

    name: ClassVar[str] = "supervised"

    @override
    def __call__(
        self,
        tasks: Tasks,
        final: Mapping[str, Tensor],
        auxiliary: Mapping[str, Mapping[str, Tensor]],
        targets: Mapping[str, Target],
    ) -> dict[str, Tensor]:
        require_all(tasks, final, "output of the network")
        losses = {}
        for name, task in tasks.items():
            target = target_of(name, task, final[name], targets)
            predictions = [final[name], *(role[name] for role in auxiliary.values() if name in role)]
            terms = [loss_term(name, task, raw, target) for raw in predictions]
            losses[name] = torch.stack([global_mean(task.loss, term) for term in terms]).mean()
        return losses
