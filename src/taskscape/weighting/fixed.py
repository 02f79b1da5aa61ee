"""A weighted sum with weights that never change; all ones by default."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor

from taskscape.weighting.base import Losses, Weighting, WeightingConfig
from taskscape.weighting.per_task import check_per_task
from taskscape.weighting.weighted_sum import WeightedSum


@dataclass(frozen=True)
class FixedConfig(WeightingConfig):
    """Fixed weights: Σ w_k · L_k, the plain sum when none is given."""

    name: ClassVar[str] = "fixed"

    weights: Mapping[str, float] = field(default_factory=dict)
    """Weight per task, 1 for those not named: ``semseg 0.6 depth 0.4``."""

    def build(self, tasks: Sequence[str], seed: int = 0) -> Weighting:
        """Build it. Raises ``ValueError`` for a weight that is negative or of a task that is not trained."""
        check_per_task("weights", self.weights, tasks)
        return Fixed(tasks, self.weights)


class Fixed(WeightedSum):
    def __init__(self, tasks: Sequence[str], weights: Mapping[str, float]) -> None:
        super().__init__(tasks)
        self.given = weights

    def weights(self, losses: Losses) -> Tensor:
        return torch.tensor([self.given.get(task, 1.0) for task in losses])
