"""Angle between directions."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor
from typing_extensions import override

from taskscape.losses.directions import DirectionLoss

_SHORTEST = 1e-8  # its square is still a normal float32


@dataclass(frozen=True)
class Cosine(DirectionLoss):
    """Angle of the directions: 1 - cos(angle between prediction and value), 0 … 2; neither needs to have unit length.

    Lengths are clamped to at least 1e-8, so that the gradient stays finite.
    """

    name: ClassVar[str] = "cosine"

    @override
    def per_pixel(self, prediction: Tensor, value: Tensor) -> Tensor:
        # Written out, since torch's cosine_similarity takes three to fifty times as long on a CPU.
        return 1 - (prediction * value).sum(1) / (_length(prediction) * _length(value))


def _length(x: Tensor) -> Tensor:
    # Clamped before the square root, whose slope at zero is infinite.
    return x.square().sum(1).clamp(min=_SHORTEST**2).sqrt()
