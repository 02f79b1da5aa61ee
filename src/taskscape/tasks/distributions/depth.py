"""Depth with a predicted width: a density in the space of its representation."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor
from typing_extensions import override

from taskscape.batch import Target
from taskscape.losses.base import at_least_float32
from taskscape.losses.laplace import Laplace
from taskscape.losses.likelihood import width_of
from taskscape.metrics.depth_pixels import Pixels
from taskscape.tasks.depth_encoding import DepthEncoding
from taskscape.tasks.distributions.base import Distribution, Estimate

FACTOR = 1.25


@dataclass(frozen=True)
class DepthLaplace(Distribution):
    """A Laplace density of f(meters), such as the logarithm, with predicted center and width b.

    The width is that of f itself, std times that of the normalized output: 0.1 of the logarithm is about 10 % of the
    depth. Relative depth is scaled to the median of each image before it is judged as right or wrong.
    """

    right_when: ClassVar[str] = "depth is right within a factor of 1.25 (δ < 1.25)"
    error_title: ClassVar[str] = "relative error"

    encoding: DepthEncoding
    density: Laplace
    metric: bool

    @override
    def estimate(self, raw: Tensor, spread: float = 1.0) -> Estimate:
        """Return the probability of δ < 1.25 under the density, and the mean relative error, to first order in b."""
        raw = at_least_float32(raw)
        width = spread * width_of(raw)
        center = self.encoding.decode(raw[:, :-1])
        encoded_center = self.encoding.normalize(center)
        near, far = (
            (self.encoding.normalize(x) - encoded_center).abs()[:, 0] for x in (center / FACTOR, center * FACTOR)
        )
        probability = 1 - 0.5 * ((-near / width).exp() + (-far / width).exp())
        slope = self.encoding.relative_slope(center)[:, 0]
        return Estimate(probability, probability, width * self.encoding.std * slope)

    @override
    def nll(self, raw: Tensor, target: Target, spread: float = 1.0) -> Tensor:
        """Return the negative log-likelihood of f(meters), not of meters."""
        raw, std = at_least_float32(raw), self.encoding.std
        value = self.encoding.encode(target.value.masked_fill(~target.valid.unsqueeze(1), 1.0))
        return self.density.nll(std * raw[:, :-1], std * spread * width_of(raw), std * value)

    @override
    def right(self, prediction: Tensor, target: Target) -> Tensor:
        return self._pixels(prediction, target).ratio < FACTOR

    @override
    def error(self, prediction: Tensor, target: Target) -> Tensor:
        return self._pixels(prediction, target).relative

    def _pixels(self, prediction: Tensor, target: Target) -> Pixels:
        pixels = Pixels(prediction[:, 0], target.value[:, 0], target.valid)
        return pixels if self.metric else pixels.median_scaled
