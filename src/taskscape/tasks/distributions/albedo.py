"""Albedo with a predicted width: a density around linear reflectance."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor
from typing_extensions import override

from taskscape.batch import Target
from taskscape.losses.base import at_least_float32
from taskscape.losses.laplace import Laplace, probability_within
from taskscape.losses.likelihood import width_of
from taskscape.tasks.distributions.base import Distribution, Estimate

ERROR_LIMIT = 0.1


@dataclass(frozen=True)
class AlbedoLaplace(Distribution):
    """Independent Laplace densities of red, green and blue with a common width."""

    right_when: ClassVar[str] = "the mean error of red, green and blue is below 0.1"
    error_title: ClassVar[str] = "mean error of reflectance"

    density: Laplace

    @override
    def estimate(self, raw: Tensor, spread: float = 1.0) -> Estimate:
        width = spread * width_of(at_least_float32(raw))
        channels = raw.shape[1] - 1
        probability = probability_within(channels * ERROR_LIMIT, width, channels)
        return Estimate(probability, probability, width)

    @override
    def nll(self, raw: Tensor, target: Target, spread: float = 1.0) -> Tensor:
        """Return the negative log-likelihood, averaged over channels."""
        raw = at_least_float32(raw)
        return self.density.nll(raw[:, :-1].sigmoid(), spread * width_of(raw), target.value)

    @override
    def right(self, prediction: Tensor, target: Target) -> Tensor:
        return self.error(prediction, target) < ERROR_LIMIT

    @override
    def error(self, prediction: Tensor, target: Target) -> Tensor:
        return (prediction - target.value).abs().mean(1)
