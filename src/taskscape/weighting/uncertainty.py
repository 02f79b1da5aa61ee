"""Weights learnt as the tasks' uncertainties."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from taskscape.distributed import world
from taskscape.weighting.base import Losses, Shared, Weighting, WeightingConfig, stack

_VARIANTS = {"mtan": (0.5, -0.5), "kendall": (0.5, 0.0), "xtask": (1.0, 0.0)}
"""Factor of the penalty on s, and initial s."""


@dataclass(frozen=True)
class UncertaintyConfig(WeightingConfig):
    """Uncertainty weighting (Kendall, Gal and Cipolla, CVPR 2018): Σ ½·exp(-s_k)·L_k + c·s_k with learnt s_k.

    s_k is the logarithm of the task's variance: where it rises, the weight ½·exp(-s_k) falls. Every loss is taken as a
    regression, with the factor ½.
    """

    name: ClassVar[str] = "uncertainty"

    variant: Literal["mtan", "kendall", "xtask"] = "mtan"
    """The penalty c·s and where s starts: kendall ½·s from 0 (their equation with s = log σ²), mtan ½·s from -0.5
    (weights start at 0.82), xtask 1·s from 0."""

    def build(self, tasks: Sequence[str], seed: int = 0) -> Weighting:
        """Build it. Raises ``ValueError`` for an unknown variant."""
        if self.variant not in _VARIANTS:
            raise ValueError(f"weighting.variant is {self.variant!r}; choose one of {', '.join(_VARIANTS)}")
        return Uncertainty(tasks, *_VARIANTS[self.variant])


class Uncertainty(Weighting):
    """Written here because torchjd's UW has one penalty and start, and refuses a step without one of the tasks."""

    one_backward = True

    def __init__(self, tasks: Sequence[str], penalty: float, start: float) -> None:
        super().__init__(tasks)
        self.penalty = penalty
        self.log_variance = nn.Parameter(torch.full((len(tasks),), start))

    def backward(self, losses: Losses, shared: Shared) -> dict[str, Tensor]:
        s = self.of(losses, self.log_variance)
        weights = torch.exp(-s) / 2
        # Each process has a share of the losses, so it must have one of the penalty.
        (weights * stack(losses) + self.penalty * s / world()).sum().backward()
        return dict(zip(losses, weights.detach(), strict=True))
