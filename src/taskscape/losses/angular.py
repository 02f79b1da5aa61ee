"""Angle between directions, with a predicted width."""

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from typing_extensions import override

from taskscape.losses.directions import DirectionLoss
from taskscape.losses.likelihood import LEAST_WIDTH, Likelihood

_SHORTEST = 1e-6
"""Lower bound of an angle's sine times both lengths, so that the gradient stays finite."""


@dataclass(frozen=True)
class Angular(DirectionLoss, Likelihood):
    """Angular von Mises–Fisher density of directions: p = (κ² + 1)·exp(-κθ) / (2π·(1 + exp(-κπ))) for the angle θ.

    -log p = κθ - log(κ² + 1) + log(1 + exp(-κπ)) + log 2π, a density over the sphere. The network predicts b = 1 / κ in
    an additional channel; the expected angle is about 2b radians. Bae et al., ICCV 2021, equation 5
    (https://arxiv.org/abs/2109.09881). Neither direction needs to have unit length.
    """

    name: ClassVar[str] = "angular"

    @override
    def nll(self, prediction: Tensor, width: Tensor, value: Tensor) -> Tensor:
        normalizer = (-math.pi / width).exp().log1p() + math.log(2 * math.pi)
        # log(κ² + 1), computed as log(1 + b²) - 2 log b, is also accurate for wide densities.
        return angle(prediction, value) / width - width.square().log1p() + 2 * width.log() + normalizer

    @property
    @override
    def least(self) -> float:
        return math.log(2 * math.pi) - math.log1p(LEAST_WIDTH**2) + 2 * math.log(LEAST_WIDTH)


def angle(a: Tensor, b: Tensor) -> Tensor:
    """Return the angle between (B, 3, H, W) directions in radians, (B, H, W), accurate for small angles too."""
    (ax, ay, az), (bx, by, bz) = a.unbind(1), b.unbind(1)
    cross = (ay * bz - az * by).square() + (az * bx - ax * bz).square() + (ax * by - ay * bx).square()
    return torch.atan2(cross.clamp(min=_SHORTEST**2).sqrt(), ax * bx + ay * by + az * bz)


def probability_within(radians: float, width: Tensor) -> Tensor:
    """Return the probability of an angle of at most t = ``radians``.

    It is (1 - exp(-κt)·(κ sin t + cos t)) / (1 + exp(-κπ)).
    """
    kappa = 1 / width
    tail = (-kappa * radians).exp() * (kappa * math.sin(radians) + math.cos(radians))
    return ((1 - tail) / (1 + (-kappa * math.pi).exp())).clamp(0, 1)


def expected_angle(width: Tensor) -> Tensor:
    """Return the mean angle in radians: 2κ / (κ² + 1) + π·exp(-κπ) / (1 + exp(-κπ)), Bae et al., equation 7."""
    return 2 * width / (1 + width.square()) + math.pi * torch.sigmoid(-math.pi / width)
