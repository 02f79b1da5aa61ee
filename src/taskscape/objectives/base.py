"""Base class of the objectives, and the reduction of losses over all processes."""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor

from taskscape.batch import Target
from taskscape.devices import is_quick_to_read
from taskscape.distributed import all_reduce_sum, all_reduce_sum_local_gradient, world_size
from taskscape.losses import Loss, LossTerm
from taskscape.losses.base import at_least_float32
from taskscape.serialization import counted, named
from taskscape.serialization.ranges import RangedSettings
from taskscape.tasks import Task

Tasks = Mapping[str, Task]
"""The tasks by name."""


def tasks_with_labels(targets: Mapping[str, Target]) -> list[str]:
    """Return the tasks with a valid pixel anywhere in the global batch; only these have a loss.

    >>> from taskscape.batch import Target
    >>> value, everywhere = torch.ones(1, 1, 2, 2), torch.ones(1, 2, 2, dtype=torch.bool)
    >>> tasks_with_labels({"depth": Target(value, everywhere), "albedo": Target(value, ~everywhere)})
    ['depth']
    """
    if not targets:
        return []
    process_counts = all_reduce_sum(torch.stack([target.valid.any() for target in targets.values()]).float())
    # A synchronization point: the host needs to know which losses exist.
    return [task for task, count in zip(targets, process_counts.tolist(), strict=True) if count]


def global_mean(loss: Loss, term: LossTerm) -> Tensor:
    """Return this process's part of the loss of the global batch.

    Summed over all processes, values and gradients are those of the global batch. Every process must call this.

    >>> from taskscape.batch import Target
    >>> from taskscape.losses import L1
    >>> target = Target(torch.zeros(1, 1, 1, 4), torch.tensor([[[True, True, True, False]]]))
    >>> loss = L1()
    >>> global_mean(loss, loss.term(torch.full((1, 1, 1, 4), 2.0), target)).item()
    2.0
    """
    if not isinstance(term, LossTerm):
        raise ValueError(
            f"{named(type(loss).term)} gives a {type(term).__name__}: return a LossTerm, a sum and a count"
        )
    global_loss = loss.mean(LossTerm(all_reduce_sum_local_gradient(term.sum), all_reduce_sum(term.count)))
    # The gradient is already this process's part; the value is that of all processes.
    return global_loss if world_size() == 1 else global_loss - global_loss.detach() * (1 - 1 / world_size())


def target_of(name: str, task: Task, raw: Tensor, targets: Mapping[str, Target]) -> Target:
    """Return a task's target in the types that losses take: int64 class ids, other values float32 or wider.

    Raises ``ValueError`` naming the task unless the target fits the raw output; other shapes would be broadcast.
    """
    if not isinstance(target := targets.get(name), Target):
        actual = "missing" if target is None else f"a {type(target).__name__}"
        raise ValueError(f"the target of {name} is {actual}: give a taskscape.batch.Target, or leave out the task")
    value, valid = target
    pixels = (len(raw), *raw.shape[-2:])
    if valid.shape != pixels or valid.dtype != torch.bool:
        raise ValueError(f"valid of {name} is {valid.dtype} {tuple(valid.shape)}: it must be bool {pixels}")
    if (len(value), *value.shape[-2:]) != pixels or (value.ndim == 3 and value.is_floating_point()):
        raise ValueError(
            f"the target of {name} is {value.dtype} {tuple(value.shape)} for an output of {tuple(raw.shape)}: class "
            "ids are integers (B, H, W), and other values (B, C, H, W); unsqueeze(1) adds the axis of one channel"
        )
    if task.predicts_classes and value.ndim != 3:
        raise ValueError(f"the target of {name} is {tuple(value.shape)}: class ids are (B, H, W); use squeeze(1)")
    if value.ndim == 3:
        return Target(value.long(), valid)
    for what, x, channels in (("target", value, math.prod(task.modality.shape)), ("output", raw, task.channels)):
        if x.shape[1] != channels:
            raise ValueError(
                f"the {what} of {name} is {tuple(x.shape)}: {type(task).__name__} needs "
                f"{counted(channels, 'channel', 'channels')}"
            )
    return Target(at_least_float32(value if value.is_floating_point() else value.float()), valid)


def loss_term(name: str, task: Task, raw: Tensor, target: Target) -> LossTerm:
    """Return the term of a prediction. Raises ``ValueError`` naming the task if class ids are beyond its channels."""
    try:
        return task.compute_loss(raw, target)
    except (IndexError, RuntimeError) as error:  # on a GPU, torch ends the process instead
        if not (task.predicts_classes and is_quick_to_read(target.value)):
            raise
        ids = target.value[target.valid]
        if not len(ids) or 0 <= ids.min() <= ids.max() < raw.shape[1]:
            raise
        raise ValueError(
            f"the target of {name} has ids {ids.min()} … {ids.max()} at valid pixels, and its output has "
            f"{raw.shape[1]} channels, 0 … {raw.shape[1] - 1}: mark pixels without a class as not valid, "
            "Target(ids, ids != 255)"
        ) from error


class Objective(RangedSettings, ABC):
    """Turns outputs and targets into one loss per task. A frozen dataclass of plain values."""

    name: ClassVar[str]
    """The objective's name on the command line and in saved experiments."""

    @abstractmethod
    def __call__(
        self,
        tasks: Tasks,
        final: Mapping[str, Tensor],
        auxiliary: Mapping[str, Mapping[str, Tensor]],
        targets: Mapping[str, Target],
    ) -> dict[str, Tensor]:
        """Return this process's part of the loss of each of ``tasks``, which are the ``tasks_with_labels`` ones.

        ``final`` and ``auxiliary`` are the network's outputs, for all of its tasks.
        """
