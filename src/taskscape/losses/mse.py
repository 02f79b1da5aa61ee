"""Squared difference."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from taskscape.losses.base import PixelLoss


@dataclass(frozen=True)
class MSE(PixelLoss):
    """(prediction - value)², the mean over channels."""

    name: ClassVar[str] = "mse"
    in_metres: ClassVar[bool] = False

    def per_pixel(self, prediction: Tensor, value: Tensor) -> Tensor:
        """Return the squared difference."""
        return (prediction - value).square().mean(1)
