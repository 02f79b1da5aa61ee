"""Surface normals with a predicted width: a density over the sphere."""

import math
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor
from typing_extensions import override

from taskscape.batch import Target
from taskscape.losses.angular import Angular, angle, expected_angle, probability_within
from taskscape.losses.base import at_least_float32
from taskscape.losses.likelihood import width_of
from taskscape.tasks.distributions.base import Distribution, Estimate

DEGREES = 11.25


@dataclass(frozen=True)
class NormalsAngular(Distribution):
    """The angular density of ``taskscape.losses.Angular`` around the predicted direction."""

    right_when: ClassVar[str] = "the angle is below 11.25°"
    error_title: ClassVar[str] = "angle"

    density: Angular

    @override
    def estimate(self, raw: Tensor, spread: float = 1.0) -> Estimate:
        """Return the probability of an angle below 11.25°, and the mean angle, both under the density."""
        width = spread * width_of(at_least_float32(raw))
        probability = probability_within(math.radians(DEGREES), width)
        return Estimate(probability, probability, expected_angle(width).rad2deg())

    @override
    def nll(self, raw: Tensor, target: Target, spread: float = 1.0) -> Tensor:
        raw = at_least_float32(raw)
        return self.density.nll(raw[:, :-1], spread * width_of(raw), target.value)

    @override
    def right(self, prediction: Tensor, target: Target) -> Tensor:
        return self.error(prediction, target) < DEGREES

    @override
    def error(self, prediction: Tensor, target: Target) -> Tensor:
        return angle(prediction.double(), target.value.double()).rad2deg()
