"""GradNorm: gradients of all tasks at the size that their training rates ask for."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from taskscape.distributed import sum_in_place, total, world
from taskscape.weighting.base import Losses, Shared, Weighting, WeightingConfig, stack

_TINY = 1e-8
"""Least initial loss, and least weight: a weight that reached zero would turn the method's sign."""


@dataclass(frozen=True)
class GradNormConfig(WeightingConfig):
    """GradNorm (Chen et al., ICML 2018, algorithm 1), at the last shared layer W.

    The learnt weights descend Σ |G_k - mean(G) · r_k^α| with G_k = ‖∇_W (w_k · L_k)‖, r_k = ρ_k / mean(ρ) and
    ρ_k = L_k / L_k(first step), where the target is a constant, and are then scaled to sum to the number of tasks. As
    G_k = w_k · ‖∇_W L_k‖, no second derivative is needed.
    """

    name: ClassVar[str] = "gradnorm"

    alpha: float = 1.5
    """How strongly a task that trains slowly is pushed; 0 asks for equal gradients."""
    lr: float = 0.025
    """Learning rate of the weights, which the run's optimiser and schedule apply."""

    def build(self, tasks: Sequence[str], seed: int = 0) -> Weighting:
        """Build it. Raises ``ValueError`` for a negative setting."""
        if not self.alpha >= 0 or not self.lr >= 0:
            raise ValueError(f"weighting.alpha is {self.alpha} and weighting.lr {self.lr}; neither may be negative")
        return GradNorm(tasks, self.alpha, self.lr)


class GradNorm(Weighting):
    one_backward = True  # torch.autograd.grad below leaves nothing in .grad and no hook sees it
    retains_graph = True

    initial: Tensor

    def __init__(self, tasks: Sequence[str], alpha: float, lr: float) -> None:
        super().__init__(tasks)
        self.alpha = alpha
        self.learning_rate = lr
        self.weight = nn.Parameter(torch.ones(len(tasks)))
        self.register_buffer("initial", torch.full((len(tasks),), float("nan")))

    def check(self, shared: Shared, compiled: bool) -> None:
        if not shared.last:
            raise ValueError(
                "weighting gradnorm looks at the gradients of the last shared layer, but the tasks of this network "
                "share no trained layer; choose a network that shares one, or a weighting such as dwa or famo"
            )

    def backward(self, losses: Losses, shared: Shared) -> dict[str, Tensor]:
        local = stack(losses)
        weights = self.of(losses, self.weight.detach())
        norms = _norms(losses, shared.last)
        rates = self._rates(losses)
        targets = (weights * norms).mean() * (rates / rates.mean()) ** self.alpha
        gradient = norms * (weights * norms - targets).sign() / world()  # a share: the loop sums it
        self.weight.grad = torch.zeros_like(self.weight)
        for task, value in zip(losses, gradient, strict=True):
            self.weight.grad[self.tasks.index(task)] = value
        (weights.to(local) * local).sum().backward()
        return dict(zip(losses, weights, strict=True))

    def _rates(self, losses: Losses) -> Tensor:
        """Return what is left of each task's loss, and note the first loss of a task that is new."""
        joint = total(stack(losses))
        for task, loss in zip(losses, joint, strict=True):
            first = self.initial[self.tasks.index(task)]
            first.copy_(torch.where(first.isnan(), loss.clamp_min(_TINY), first))
        return joint / self.of(losses, self.initial)

    @torch.no_grad()
    def after_step(self, losses_again: Callable[[], Losses]) -> None:
        self.weight.clamp_(min=_TINY)
        self.weight.mul_(len(self.tasks) / self.weight.sum())


def _norms(losses: Losses, parameters: Sequence[nn.Parameter]) -> Tensor:
    """Return the norm of each joint loss's gradient."""
    rows = []
    for loss in losses.values():
        gradients = torch.autograd.grad(loss, parameters, retain_graph=True, materialize_grads=True)
        rows.append(torch.cat([gradient.flatten() for gradient in gradients]))
    matrix = torch.stack(rows)
    sum_in_place([matrix])
    norms: Tensor = torch.linalg.vector_norm(matrix, dim=1)
    return norms
