"""Absolute error."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor
from typing_extensions import override

from taskscape.losses.base import PixelLoss


@dataclass(frozen=True)
class L1(PixelLoss):
    """Absolute error: |prediction - value|, averaged over channels."""

    name: ClassVar[str] = "l1"
    suits: ClassVar[tuple[str, ...]] = ("depth", "albedo")

    @override
    def per_pixel(self, prediction: Tensor, value: Tensor) -> Tensor:
        return (prediction - value).abs().mean(1)
