"""A weighted sum with weights that never change; all ones by default."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor

from taskscape.weighting.base import Losses, WeightingConfig
from taskscape.weighting.per_task import check_per_task
from taskscape.weighting.weighted_sum import WeightedSum


@dataclass(frozen=True)
class FixedConfig(WeightingConfig):
    """Fixed weights: Σ w_k · L_k, the plain sum when none is set."""

    name: ClassVar[str] = "fixed"

    weights: Mapping[str, float] = field(default_factory=dict)
    """Weight per task, 1 for those not named: ``semseg 0.6 depth 0.4``."""

    def check(self, tasks: Sequence[str]) -> None:
        """Raise ``ValueError`` for a weight that is negative or of a task that is not trained."""
        check_per_task("weights", self.weights, tasks)


class Fixed(WeightedSum, config=FixedConfig):
    """Fixed weights: ``Fixed(["semseg", "depth"], weights={"depth": 0.4})``."""

    config: FixedConfig

    def weights(self, losses: Losses) -> Tensor:
        """Return the weights of the settings."""
        return torch.tensor([self.config.weights.get(task, 1.0) for task in losses])
