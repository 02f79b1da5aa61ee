"""The geometric mean of the losses."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from taskscape.distributed import total
from taskscape.weighting.base import Losses, Weighting, WeightingConfig, stack
from taskscape.weighting.weighted_sum import WeightedSum

_TINY = 1e-8
"""Losses below count as this: the mean has no gradient at zero."""


@dataclass(frozen=True)
class GeometricConfig(WeightingConfig):
    """Geometric loss strategy (Chennupati et al., CVPR workshops 2019): M = (Π L_k)^(1/K).

    The direction of its gradient, Σ M / (K·L_k) · ∇L_k, does not change with the scale of any loss.
    """

    name: ClassVar[str] = "geometric"

    def build(self, tasks: Sequence[str], seed: int = 0) -> Weighting:
        """Build it."""
        return Geometric(tasks)


class Geometric(WeightedSum):
    def weights(self, losses: Losses) -> Tensor:
        joint = total(stack(losses)).clamp_min(_TINY)
        return joint.log().mean().exp() / (len(losses) * joint)
