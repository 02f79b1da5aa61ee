"""Smooth Tchebycheff scalarization: a soft maximum of the losses."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor
from typing_extensions import override

from taskscape.devices import constant
from taskscape.serialization.ranges import NonNegative, Positive
from taskscape.weighting.base import Losses, WeightingConfig, stack
from taskscape.weighting.preferences import preferences
from taskscape.weighting.weighted_sum import WeightedSum


@dataclass(frozen=True)
class STCHConfig(WeightingConfig):
    """Smooth Tchebycheff scalarization (Lin et al., ICML 2024, equation 8): μ · log Σ exp(λ_k · (L_k - z_k) / μ).

    The smaller μ, the closer it is to the largest λ_k · (L_k - z_k). If a task is absent from a step, the λ of the
    others sum to one.
    """

    name: ClassVar[str] = "stch"
    link: ClassVar[str] = "https://arxiv.org/abs/2402.19078"

    mu: Positive = 0.5
    """μ, in the unit of the losses times λ."""
    preference: Mapping[str, Positive] = field(default_factory=dict)
    """Relative λ of each task, 1 for tasks not listed; scaled to sum to one."""
    ideal: Mapping[str, NonNegative] = field(default_factory=dict)
    """z: the ideal loss of each task, 0 for tasks not listed."""


class STCH(WeightedSum, config=STCHConfig):
    """The gradient of the soft maximum."""

    config: STCHConfig
    capturable = True

    @override
    def weights(self, losses: Losses) -> Tensor:
        """Return λ_k · softmax(λ · (L - z) / μ)_k."""
        values = stack(losses)
        ideal = constant((self.config.ideal.get(task, 0.0) for task in losses), values)
        lambdas = constant(preferences(self.config.preference, losses), values)
        return lambdas * torch.softmax(lambdas * (values - ideal) / self.config.mu, 0)
