"""ExcessMTL: more weight for tasks that are far from convergence, even if others have larger losses."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor
from typing_extensions import override

from taskscape.serialization.ranges import Positive
from taskscape.weighting.base import BalancingContext, Losses, Weighting, WeightingConfig, stack
from taskscape.weighting.gradients import global_gradients, require_reached
from taskscape.weighting.row_per_task import RowPerTask

_UNREACHED = (
    "the shared parameters, so ExcessMTL has no gradient to measure: name parameters that all tasks use, "
    "BalancingContext.of(…, shared=layer.parameters())"
)


@dataclass(frozen=True)
class ExcessMTLConfig(WeightingConfig):
    """Multi-task learning with excess risks (He et al., ICML 2024, equations 6, 7 and 9), at the shared parameters.

    w_k ∝ w_k · exp(η · E_k / E_k(first step)) with a sum of the number of tasks. E_k = Σ_i g_ki² / √S_ki estimates how
    far the loss is above its smallest value; g_k is the gradient and S_k its squares, summed over the steps. The
    weights do not depend on the scale of any loss: unlike in the authors' code, no constant is added to S.

    If a task is absent from a step, the sum and its number are those of the others, its S stays, and its weight
    relative to the mean of the others' logarithms. Its first step is the first one in which it has a gradient.
    """

    name: ClassVar[str] = "excess-mtl"
    link: ClassVar[str] = "https://arxiv.org/abs/2402.02009"

    step_size: Positive = 0.01
    """η: with a larger value, weights change faster; 0.01 as in LibMTL."""


class ExcessMTL(Weighting, config=ExcessMTLConfig):
    """ExcessMTL, whose state is one vector per task with the size of the shared parameters.

    The second loss converges, so the first one gets more weight::

        >>> import torch
        >>> from taskscape.weighting import BalancingContext, ExcessMTL
        >>> balance = ExcessMTL(["a", "b"], step_size=1.0)
        >>> for slope in (4.0, 0.0):
        ...     x = torch.nn.Parameter(torch.zeros(2))
        ...     losses = {"a": 1 + x @ torch.tensor([1.0, 0.0]), "b": 1 + x @ torch.tensor([0.0, slope])}
        ...     balance.backward(losses, BalancingContext.of(losses, shared=[x], tasks=[]))
        {'a': tensor(1.), 'b': tensor(1.)}
        {'a': tensor(1.3395), 'b': tensor(0.6605)}
    """

    config: ExcessMTLConfig
    capturable = True
    one_backward = True  # the gradients of single losses do not change .grad or call hooks
    retains_graph = True
    _checked_tasks: frozenset[str] = frozenset()

    initial: Tensor
    """The excess risk of each task in its first step, (tasks,)."""
    logits: Tensor
    """The logarithm of each task's weight, up to a constant, (tasks,)."""

    def __init__(
        self, tasks: Sequence[str], config: ExcessMTLConfig | None = None, *, seed: int = 0, **options: Any
    ) -> None:
        super().__init__(tasks, config, **options)
        self.squares = RowPerTask(len(tasks))
        self.register_buffer("initial", torch.full((len(tasks),), float("nan")))
        self.register_buffer("logits", torch.zeros(len(tasks)))

    @override
    def check(self, *, shared_parameters: bool, shared_features: bool, compiled: bool) -> None:
        if not shared_parameters:
            raise ValueError(
                "weighting excess-mtl measures gradients at the shared parameters, but this network has no shared "
                "parameters that are trained; choose another network, or a weighting such as dwa or famo"
            )

    @override
    def backward(self, losses: Losses, context: BalancingContext) -> dict[str, Tensor]:
        """Update the weights, and add the gradients of the weighted sum to ``.grad``.

        Raises ``ValueError`` in the first step of each task if its loss does not depend on the shared parameters.
        """
        self.check(shared_parameters=bool(context.parameters), shared_features=True, compiled=False)
        self.check_names(losses)
        if not self._checked_tasks.issuperset(losses):
            require_reached(losses, context.parameters, _UNREACHED)
            self._checked_tasks |= losses.keys()
        numbers = [self.tasks.index(task) for task in losses]
        self._update(numbers, self._excess_risks(numbers, global_gradients(losses, context.parameters)))
        weights = len(losses) * torch.softmax(self.select(losses, self.logits), 0)
        local_losses = stack(losses)
        (weights.to(local_losses) * local_losses).sum().backward()
        return dict(zip(losses, weights, strict=True))

    def _excess_risks(self, numbers: Sequence[int], gradients: Tensor) -> Tensor:
        """Return E, (tasks,); add the squares of the gradients to S, except of one that is not finite."""
        sums = self.squares.like(gradients)
        tiny = torch.finfo(gradients.dtype).tiny  # if S is zero, so is the gradient
        risks = []
        for number, gradient in zip(numbers, gradients, strict=True):
            squares = gradient.square()
            new_sums = sums[number] + squares
            risk = (squares / new_sums.sqrt().clamp_min(tiny)).sum()
            sums[number].copy_(torch.where(risk.isfinite(), new_sums, sums[number]))
            risks.append(risk)
        return torch.stack(risks)

    def _update(self, numbers: Sequence[int], risks: Tensor) -> None:
        """Update the logits of these tasks; not by numbers that are not finite."""
        are_finite = risks.isfinite().all()
        for number, risk in zip(numbers, risks, strict=True):
            first = self.initial[number]
            first.copy_(torch.where(first.isnan() & are_finite & (risk > 0), risk, first))
        relative = risks / torch.stack([self.initial[number] for number in numbers]).nan_to_num(1.0)
        steps = self.config.step_size * (relative - relative.mean())  # the mean leaves absent tasks where they were
        for number, step in zip(numbers, steps, strict=True):
            self.logits[number].add_(torch.where(are_finite, step, 0.0))
