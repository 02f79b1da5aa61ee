"""The geometric mean of the losses."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from taskscape.processes import total
from taskscape.weighting.base import Losses, Weighting, WeightingOptions, stack
from taskscape.weighting.weighted_sum import WeightedSum

_TINY = 1e-8
"""Losses below count as this: the mean has no gradient at zero."""


@dataclass(frozen=True)
class Geometric(WeightingOptions):
    """Geometric loss strategy (Chennupati et al., CVPR workshops 2019): M = (Π L_k)^(1/K).

    The direction of its gradient, Σ M / (K·L_k) · ∇L_k, does not change with the scale of any loss.
    """

    name: ClassVar[str] = "geometric"

    def build(self, tasks: Sequence[str], seed: int = 0) -> Weighting:
        """Build it."""
        return _Geometric(tasks)


class _Geometric(WeightedSum):
    def weights(self, losses: Losses) -> Tensor:
        joint = total(stack(losses)).clamp_min(_TINY)
        return joint.log().mean().exp() / (len(losses) * joint)
