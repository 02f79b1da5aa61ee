"""A weighted sum with constant weights, all 1 by default."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from torch import Tensor
from typing_extensions import override

from taskscape.devices import constant
from taskscape.serialization.ranges import NonNegative
from taskscape.weighting.base import Losses, WeightingConfig, stack
from taskscape.weighting.weighted_sum import WeightedSum


@dataclass(frozen=True)
class FixedConfig(WeightingConfig):
    """Fixed weights: Σ w_k · L_k, by default the plain sum.

    A task that is absent from a step has no term in its sum; the other tasks' weights are not scaled up.
    """

    name: ClassVar[str] = "fixed"

    weights: Mapping[str, NonNegative] = field(default_factory=dict)
    """Weight of each task, 1 for tasks not listed: ``semseg 0.6 depth 0.4``."""

    @override
    def check(self, tasks: Sequence[str]) -> None:
        super().check(tasks)
        if not any(self.weights.get(task, 1.0) for task in tasks):
            raise ValueError("weighting.weights are all 0, so nothing would be trained; give one a positive weight")


class Fixed(WeightedSum, config=FixedConfig):
    """Fixed weights: ``Fixed(["semseg", "depth"], weights={"depth": 0.4})``."""

    config: FixedConfig
    capturable = True

    @override
    def weights(self, losses: Losses) -> Tensor:
        weights = constant((self.config.weights.get(task, 1.0) for task in losses), stack(losses))
        return weights.clone()  # the caller may change them
