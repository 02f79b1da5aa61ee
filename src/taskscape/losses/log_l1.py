"""Logarithm of the absolute difference."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from taskscape.losses.base import PixelLoss


@dataclass(frozen=True)
class LogL1(PixelLoss):
    """log(1 + |prediction - value|), the mean over channels (after Hu et al., WACV 2019, there log(α + |·|))."""

    name: ClassVar[str] = "log-l1"
    in_metres: ClassVar[bool] = False

    def per_pixel(self, prediction: Tensor, value: Tensor) -> Tensor:
        """Return the logarithm of one plus the absolute difference."""
        return (prediction - value).abs().log1p().mean(1)
