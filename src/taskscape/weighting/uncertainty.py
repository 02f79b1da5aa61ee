"""Weights learned from the tasks' uncertainties."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn
from typing_extensions import override

from taskscape.devices import constant
from taskscape.serialization import nearest
from taskscape.weighting.base import BalancingContext, Losses, Weighting, WeightingConfig, stack

_VARIANTS = {"mtan": (0.5, -0.5), "kendall": (0.5, 0.0), "xtask": (1.0, 0.0)}
"""The factor of the penalty on s and the initial s, by variant."""


@dataclass(frozen=True)
class UncertaintyConfig(WeightingConfig):
    """Uncertainty weighting (Kendall, Gal and Cipolla, CVPR 2018): Σ ½·exp(-s_k)·L_k + c·s_k with learned s_k.

    s_k is the logarithm of the task's variance: as it increases, the weight ½·exp(-s_k) decreases. Every loss is
    treated as a regression, with the factor ½, unless ``classification`` lists its task.

    A task that is absent from a step has no term in its sum, and its s_k gets a zero gradient, so only the momentum of
    the run's optimizer moves it.
    """

    name: ClassVar[str] = "uncertainty"
    link: ClassVar[str] = "https://arxiv.org/abs/1705.07115"

    variant: Literal["mtan", "kendall", "xtask"] = "mtan"
    """The penalty c·s and the initial s: kendall ½·s and 0 (the paper's equation with s = log σ²), mtan ½·s and -0.5
    (weights start at 0.82), xtask 1·s and 0."""

    classification: tuple[str, ...] = ()
    """Tasks whose weight is exp(-s) instead of ½·exp(-s), as in the paper's equation 10 for classification."""

    @override
    def check(self, tasks: Sequence[str]) -> None:
        super().check(tasks)
        for task in self.classification:
            if task not in tasks:
                raise ValueError(f"weighting.classification: there is no task {task!r}{nearest(task, tasks)}")


class Uncertainty(Weighting, config=UncertaintyConfig):
    """Uncertainty weighting. Does not use torchjd's UW, which has a single variant and needs all tasks in every step.

    Its ``parameters()`` are the s_k; pass them to the optimizer with those of the network::

        >>> import torch
        >>> from taskscape.weighting import BalancingContext, Uncertainty
        >>> x = torch.nn.Parameter(torch.ones(1))
        >>> uncertainty = Uncertainty(["a", "b"], variant="kendall")
        >>> losses = {"a": 3 * x.sum(), "b": x.square().sum()}
        >>> uncertainty.backward(losses, BalancingContext.of(losses, shared=[x], tasks=[]))
        {'a': tensor(0.5000), 'b': tensor(0.5000)}
        >>> x.grad, uncertainty.log_variance.grad
        (tensor([2.5000]), tensor([-1.,  0.]))
    """

    config: UncertaintyConfig
    one_backward = True
    capturable = True

    def __init__(
        self, tasks: Sequence[str], config: UncertaintyConfig | None = None, *, seed: int = 0, **options: Any
    ) -> None:
        super().__init__(tasks, config, **options)
        self.penalty, start = _VARIANTS[self.config.variant]
        self.log_variance = nn.Parameter(torch.full((len(tasks),), start))

    @override
    def backward(self, losses: Losses, context: BalancingContext) -> dict[str, Tensor]:
        """Run one backward pass through the network and to the s_k."""
        global_losses = context.in_order_of(losses)
        self.check_nonnegative(global_losses)  # below 0, s would fall without bound
        s = self.select(losses, self.log_variance)
        weights = torch.exp(-s) * constant((1.0 if task in self.config.classification else 0.5 for task in losses), s)
        network_terms = weights.detach() * stack(losses)
        s_terms = weights * stack(global_losses) + self.penalty * s
        (network_terms + s_terms).sum().backward()
        return dict(zip(losses, weights.detach(), strict=True))
