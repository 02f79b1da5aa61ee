"""Squared error."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor
from typing_extensions import override

from taskscape.losses.base import PixelLoss


@dataclass(frozen=True)
class MSE(PixelLoss):
    """Squared error: (prediction - value)², averaged over channels."""

    name: ClassVar[str] = "mse"
    suits: ClassVar[tuple[str, ...]] = ("depth", "albedo")

    @override
    def per_pixel(self, prediction: Tensor, value: Tensor) -> Tensor:
        return (prediction - value).square().mean(1)
