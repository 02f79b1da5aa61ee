"""GradNorm: weights that scale the tasks' gradients according to their training rates."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn
from typing_extensions import override

from taskscape.serialization.ranges import NonNegative, Positive
from taskscape.weighting.base import BalancingContext, Losses, Weighting, WeightingConfig, stack
from taskscape.weighting.gradients import global_gradients, require_reached
from taskscape.weighting.own_adam import OwnAdam
from taskscape.weighting.reminder import Reminder

_TINY = 1e-8
"""Lower bound of initial losses and of weights; a weight below zero would reverse the method."""
_UNREACHED = (
    "the last shared layer, so GradNorm has no gradient to measure: name a layer that all tasks use, "
    "BalancingContext.of(…, last=layer.parameters())"
)


@dataclass(frozen=True)
class GradNormConfig(WeightingConfig):
    """GradNorm (Chen et al., ICML 2018, algorithm 1), at the last shared layer W.

    The learned weights minimize Σ |G_k - mean(G) · r_k^α| with G_k = ‖∇_W (w_k · L_k)‖, r_k = ρ_k / mean(ρ) and
    ρ_k = L_k / L_k(first step), where the target mean(G) · r_k^α is treated as a constant. They are then scaled to sum
    to the number of tasks. Since G_k = w_k · ‖∇_W L_k‖, no second derivative is needed.

    If a task is absent from a step, the means are those of the others, and its weight gets a zero gradient. Its weight
    remains part of the sum, which is the number of all tasks, so the others' weights do not sum to their own number.
    Its first loss is that of the first step in which it is present.
    """

    name: ClassVar[str] = "gradnorm"
    link: ClassVar[str] = "https://arxiv.org/abs/1711.02257"

    alpha: NonNegative = 1.5
    """Strength with which slowly training tasks are favored; 0 aims at equal gradients."""
    lr: Positive = 0.025
    """Learning rate of the weights."""
    optimizer: Literal["run", "adam"] = "run"
    """The optimizer of the weights: that of the run, with its schedule; or a separate Adam, with a constant learning
    rate."""


class GradNorm(Weighting, config=GradNormConfig):
    """GradNorm, with the w_k as parameters: pass them to the optimizer, in a group with ``learning_rate``, and call
    ``after_step`` after its step.

    With ``optimizer="adam"``, they do not require a gradient, and ``after_step`` updates them.
    """

    config: GradNormConfig
    capturable = True
    one_backward = True  # the gradients of single losses do not change .grad or call hooks
    retains_graph = True
    uses_last_layer = True
    _checked_tasks: frozenset[str] = frozenset()

    initial: Tensor

    def __init__(
        self, tasks: Sequence[str], config: GradNormConfig | None = None, *, seed: int = 0, **options: Any
    ) -> None:
        super().__init__(tasks, config, **options)
        has_own_optimizer = self.config.optimizer == "adam"
        self.learning_rate = self.config.lr
        self.weight = nn.Parameter(torch.ones(len(tasks)), requires_grad=not has_own_optimizer)
        self.optimizer = OwnAdam([self.weight], self.config.lr) if has_own_optimizer else None
        self.register_buffer("initial", torch.full((len(tasks),), float("nan")))
        self._reminder = Reminder(self.config.name)

    @override
    def check(self, *, shared_parameters: bool, shared_features: bool, compiled: bool) -> None:
        if not shared_parameters:
            raise ValueError(
                "weighting gradnorm measures gradients at the last shared layer, but the tasks of this network "
                "share no trained layer; choose a network that shares one, or a weighting such as dwa or famo"
            )

    @override
    def backward(self, losses: Losses, context: BalancingContext) -> dict[str, Tensor]:
        """Add the gradients of the weights and of the weighted sum to ``.grad``.

        Raises ``ValueError`` in the first step of each task if its loss does not depend on the last shared layer.
        """
        self.check(shared_parameters=bool(context.last), shared_features=True, compiled=False)
        if not self._checked_tasks.issuperset(losses):
            require_reached(losses, context.last, _UNREACHED)
            self._checked_tasks |= losses.keys()
        self._reminder.backward()
        weights = self.select(losses, self.weight.detach())
        norms = torch.linalg.vector_norm(global_gradients(losses, context.last), dim=1)
        rates = self._rates(context.in_order_of(losses))
        targets = (weights * norms).mean() * (rates / rates.mean()) ** self.config.alpha
        gradient = norms * (weights * norms - targets).sign()
        if self.weight.grad is None:
            self.weight.grad = torch.zeros_like(self.weight)
        for task, value in zip(losses, gradient, strict=True):
            self.weight.grad[self.tasks.index(task)] += value
        local_losses = stack(losses)
        (weights.to(local_losses) * local_losses).sum().backward()
        return dict(zip(losses, weights, strict=True))

    def _rates(self, losses: Losses) -> Tensor:
        """Return each task's loss relative to its first one; record the first loss of a new task."""
        self.check_nonnegative(losses)
        values = stack(losses)
        for task, value in zip(losses, values, strict=True):
            first_loss = self.initial[self.tasks.index(task)]
            first_loss.copy_(torch.where(first_loss.isnan(), value.clamp_min(_TINY), first_loss))
        return values / self.select(losses, self.initial)

    @override
    @torch.no_grad()
    def after_step(self, losses_again: Callable[[], Mapping[str, Tensor]]) -> None:
        self._reminder.after_step()
        if self.optimizer is not None:
            self.optimizer.step()
            self.weight.grad = None
        self.weight.clamp_(min=_TINY)
        self.weight.mul_(len(self.tasks) / self.weight.sum())

    @override
    def get_extra_state(self) -> dict[str, Any]:
        """Return the state of the separate optimizer; empty without one."""
        return {} if self.optimizer is None else self.optimizer.state_dict()

    @override
    def set_extra_state(self, state: dict[str, Any]) -> None:
        if self.optimizer is not None:
            self.optimizer.load_state_dict(state)
