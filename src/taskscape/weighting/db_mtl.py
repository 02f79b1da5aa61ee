"""DB-MTL: averaged gradients of the losses' logarithms, scaled to the length of the longest."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor
from typing_extensions import override

from taskscape.serialization.ranges import BelowOne, NonNegative
from taskscape.weighting.base import BalancingContext, Losses, WeightingConfig
from taskscape.weighting.gramian import Array, Gramian, GramianWeighting
from taskscape.weighting.row_per_task import RowPerTask
from taskscape.weighting.task_gradients import Combined, TaskGradients

_TINY = 1e-8
"""ε: added to a loss before taking its logarithm."""


@dataclass(frozen=True)
class DBMTLConfig(WeightingConfig):
    """Dual-balancing multi-task learning (Lin et al., 2023, algorithm 1), at the shared parameters.

    d = max ‖m_k‖ · Σ m_k / ‖m_k‖, where m_k ← β_t · m_k + (1 - β_t) · ∇log(L_k + ε) is a mean over the steps with
    β_t = β / t^σ in step t. It begins at zero. The task-specific layers get the gradients of the logarithms. The step
    does not depend on the scale of any loss. No weights are reported, since d contains gradients of earlier steps.

    If a task is absent from a step, its mean stays and is not part of d, and the longest mean is that of the others. A
    task that is alone follows its mean. There is no ``mode``: the gradients of the features of different images have no
    mean over steps.
    """

    name: ClassVar[str] = "db-mtl"
    link: ClassVar[str] = "https://arxiv.org/abs/2308.12029"

    beta: BelowOne = 0.9
    """β: the part of earlier steps in the mean gradient, as in LibMTL; 0 for the gradient of the step alone."""
    sigma: NonNegative = 0.5
    """σ: with a value above 0, β falls with the steps. With 0, as in LibMTL, Adam takes longer steps at the shared
    layers, since a mean over steps changes slowly: choose a lower learning rate."""


class DBMTL(GramianWeighting, config=DBMTLConfig):
    """DB-MTL. A checkpoint contains one mean gradient of the shared parameters per task.

    Two losses whose gradients have different lengths count the same::

        >>> import torch
        >>> from taskscape.weighting import BalancingContext, DBMTL
        >>> x = torch.nn.Parameter(torch.zeros(2))
        >>> losses = {"a": 1 + x @ torch.tensor([1.0, 0.0]), "b": 1 + x @ torch.tensor([0.0, 4.0])}
        >>> DBMTL(["a", "b"], beta=0.0).backward(losses, BalancingContext.of(losses, shared=[x], tasks=[]))
        >>> x.grad
        tensor([4., 4.])
    """

    config: DBMTLConfig

    def __init__(
        self, tasks: Sequence[str], config: DBMTLConfig | None = None, *, seed: int = 0, **options: Any
    ) -> None:
        super().__init__(tasks, config, **options)
        self.means = RowPerTask(len(tasks))
        self.step = 0

    @override
    def backward(self, losses: Losses, context: BalancingContext) -> dict[str, Tensor] | None:
        global_losses = context.in_order_of(losses)
        self.check_nonnegative(global_losses)
        # Each process has its part of the loss, and the sum of these parts is in the logarithm.
        logarithms = {task: loss / (global_losses[task] + _TINY) for task, loss in losses.items()}
        return super().backward(logarithms, context)

    @override
    def combine(self, gradients: TaskGradients, tasks: Sequence[str]) -> Combined:
        rows, numbers = gradients.rows, [self.tasks.index(task) for task in tasks]
        all_means = self.means.like(rows)
        beta = self.config.beta / (self.step + 1) ** self.config.sigma
        means = torch.lerp(rows, all_means[numbers], beta)
        combined = super().combine(TaskGradients(means, gradients.sizes, split=False), tasks)
        assert combined.weights is not None
        if combined.weights.isfinite().all():  # otherwise the loop skips the step or ends
            all_means[numbers] = means
            self.step += 1
        return Combined(combined.gradient, None)

    @override
    def weights(self, gramian: Gramian, tasks: Sequence[str]) -> Array:
        weights: Array = gramian.lengths.max() * gramian.inverse_lengths
        return weights

    @override
    def get_extra_state(self) -> int:
        """Return the number of steps."""
        return self.step

    @override
    def set_extra_state(self, state: int) -> None:
        self.step = state
