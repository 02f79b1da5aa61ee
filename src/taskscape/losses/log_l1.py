"""Logarithm of the absolute error."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor
from typing_extensions import override

from taskscape.losses.base import PixelLoss


@dataclass(frozen=True)
class LogL1(PixelLoss):
    """Logarithm of the absolute error: log(1 + |prediction - value|), averaged over channels.

    Based on Hu et al., WACV 2019, who use log(α + |·|) (https://arxiv.org/abs/1803.08673).
    """

    name: ClassVar[str] = "log-l1"
    suits: ClassVar[tuple[str, ...]] = ("depth",)

    @override
    def per_pixel(self, prediction: Tensor, value: Tensor) -> Tensor:
        return (prediction - value).abs().log1p().mean(1)
