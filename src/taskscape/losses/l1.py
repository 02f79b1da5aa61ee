"""Absolute difference."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from taskscape.losses.base import PixelLoss


@dataclass(frozen=True)
class L1(PixelLoss):
    """|prediction - value|, the mean over channels."""

    name: ClassVar[str] = "l1"
    in_metres: ClassVar[bool] = False

    def per_pixel(self, prediction: Tensor, value: Tensor) -> Tensor:
        """Return the absolute difference."""
        return (prediction - value).abs().mean(1)
