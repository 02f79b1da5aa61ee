"""Smooth Tchebycheff scalarisation: a soft maximum of the losses."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor

from taskscape.distributed import total
from taskscape.weighting.base import Losses, Weighting, WeightingConfig, stack
from taskscape.weighting.per_task import check_per_task, check_preference, preference
from taskscape.weighting.weighted_sum import WeightedSum


@dataclass(frozen=True)
class STCHConfig(WeightingConfig):
    """Smooth Tchebycheff scalarisation (Lin et al., ICML 2024, equation 8): μ · log Σ exp(λ_k · (L_k - z_k) / μ).

    The smaller μ, the closer it is to the largest λ_k · (L_k - z_k).
    """

    name: ClassVar[str] = "stch"

    mu: float = 0.5
    """μ, in units of the losses times λ."""
    preference: Mapping[str, float] = field(default_factory=dict)
    """Relative λ per task, 1 for those not named; scaled to sum to one."""
    ideal: Mapping[str, float] = field(default_factory=dict)
    """z: the loss that would be ideal, 0 for those not named."""

    def build(self, tasks: Sequence[str], seed: int = 0) -> Weighting:
        """Build it. Raises ``ValueError`` for settings that are negative or of a task that is not trained."""
        if not self.mu > 0:
            raise ValueError(f"weighting.mu is {self.mu}; it must be positive, such as 0.5")
        check_preference(self.preference, tasks)
        check_per_task("ideal", self.ideal, tasks)
        return STCH(tasks, self)


class STCH(WeightedSum):
    def __init__(self, tasks: Sequence[str], options: STCHConfig) -> None:
        super().__init__(tasks)
        self.options = options

    def weights(self, losses: Losses) -> Tensor:
        joint = total(stack(losses))
        ideal = joint.new_tensor([self.options.ideal.get(task, 0.0) for task in losses])
        scale = preference(self.options.preference, losses, joint)
        return scale * torch.softmax(scale * (joint - ideal) / self.options.mu, 0)
