"""Absolute error with a predicted width."""

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from typing_extensions import override

from taskscape.losses.likelihood import LEAST_WIDTH, Likelihood


@dataclass(frozen=True)
class Laplace(Likelihood):
    """Laplace density of the errors, p(d) = exp(-|d| / b) / (2b): -log p = |d| / b + log 2b, averaged over channels.

    The network predicts b, the expected absolute error, in an additional channel. This is the L1 counterpart of the
    loss of Kendall and Gal for squared errors (NeurIPS 2017, section 2.2, https://arxiv.org/abs/1703.04977).
    """

    name: ClassVar[str] = "laplace"
    suits: ClassVar[tuple[str, ...]] = ("depth", "albedo")

    @override
    def nll(self, prediction: Tensor, width: Tensor, value: Tensor) -> Tensor:
        return (prediction - value).abs().mean(1) / width + (2 * width).log()

    @property
    @override
    def least(self) -> float:
        return math.log(2 * LEAST_WIDTH)


def probability_within(distance: Tensor | float, width: Tensor, channels: int = 1) -> Tensor:
    """Return the probability that the sum of the absolute errors of independent channels is at most ``distance``.

    For one channel, 1 - exp(-x) with x = distance / width; for several, the Erlang distribution 1 - exp(-x)·Σ xᵏ / k!.
    """
    x = torch.as_tensor(distance, dtype=width.dtype, device=width.device) / width
    series = sum((x**k / math.factorial(k) for k in range(1, channels)), torch.ones_like(x))
    return (1 - (-x).exp() * series).clamp(0, 1)
