"""The one interface of every way of balancing tasks."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor, nn

Losses = Mapping[str, Tensor]
"""One scalar per task that has a valid pixel in this step. On several processes each holds its share of the joint
loss: the values add up over the processes, and so do the gradients. A loss is never negative."""


class Shared(NamedTuple):
    """What the tasks of a network have in common in this step, and what they have not."""

    parameters: tuple[nn.Parameter, ...]
    """All parameters that serve every task."""
    features: tuple[Tensor, ...]
    """The features at the cut between the shared and the tasks' own part; empty where a network has no cut."""
    last: tuple[nn.Parameter, ...]
    """The parameters of the last shared layer."""
    own: tuple[nn.Parameter, ...]
    """All other parameters that are trained: those of the tasks' own parts. Methods that combine the gradients of the
    shared part leave the plain sum of the tasks' gradients in these."""


class Weighting(nn.Module, ABC):
    """A way of balancing tasks.

    What a method learns (as parameters; the loop hands those that require a gradient to the optimiser, without weight
    decay) or remembers (as buffers or extra state) is in its state dict and so in every checkpoint.
    """

    one_backward: ClassVar[bool]
    """True when ``backward`` runs the backward pass once, from a sum of the losses, so that gradients may be summed
    over the processes while they are computed. Otherwise the method reduces what it combines, and leaves in ``.grad``
    a share that the loop sums. The gradients of the method's own parameters are shares in either case."""
    retains_graph: ClassVar[bool] = False
    """True when ``backward`` walks the graph more than once: a compiled network must then keep its buffers
    (``torch._functorch.config.donated_buffer = False``)."""

    learning_rate: float | None = None
    """Learning rate of the method's own parameters; None for that of the network."""

    def __init__(self, tasks: Sequence[str]) -> None:
        super().__init__()
        self.tasks = tuple(tasks)

    def check(self, shared: Shared, compiled: bool) -> None:
        """Raise ``ValueError`` where the method cannot balance such a network; called before the first step."""

    @abstractmethod
    def backward(self, losses: Losses, shared: Shared) -> dict[str, Tensor] | None:
        """Leave the gradients of this step in ``.grad``, which is empty before, and return the weight of each task.

        The weights are those of the joint losses, the same on every process, or None where a method has none.
        ``losses`` has at least one task.
        """

    def after_step(self, losses_again: Callable[[], Losses]) -> None:
        """Look again after the optimiser's step; ``losses_again`` recomputes the losses of the same batch."""

    def epoch_end(self, mean_losses: Mapping[str, float]) -> None:
        """Take note of the epoch's mean joint loss per task (of the tasks that had any valid pixel)."""

    def of(self, losses: Losses, per_task: Tensor) -> Tensor:
        """Return those of one value per task, (tasks,), that belong to the tasks in ``losses``, in their order."""
        return torch.stack([per_task[self.tasks.index(task)] for task in losses])


class WeightingOptions(ABC):
    """The settings of one method: a frozen dataclass of plain values that builds it."""

    name: ClassVar[str]
    """The name on the command line and in saved experiments."""

    @abstractmethod
    def build(self, tasks: Sequence[str], seed: int = 0) -> Weighting:
        """Build the method for these tasks, raising ``ValueError`` where its settings do not fit them.

        Methods that draw do so as a function of ``seed`` and the step, so it is the same on every process.
        """


def stack(losses: Losses) -> Tensor:
    """Return the losses as one tensor, (tasks,), with their gradients."""
    return torch.stack(list(losses.values()))
