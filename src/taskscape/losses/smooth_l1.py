"""Absolute error, squared near zero."""

import math
from dataclasses import dataclass
from typing import ClassVar

import torch.nn.functional as F
from torch import Tensor
from typing_extensions import override

from taskscape.losses.base import PixelLoss


@dataclass(frozen=True)
class SmoothL1(PixelLoss):
    """Absolute error that is squared where it is small: d²/(2·beta) where d is below beta, else d - beta/2.

    d is |prediction - value|; the loss is averaged over channels. Girshick, ICCV 2015, equation 3, with beta = 1
    (https://arxiv.org/abs/1504.08083).
    """

    name: ClassVar[str] = "smooth-l1"
    suits: ClassVar[tuple[str, ...]] = ("depth",)

    beta: float = 1.0
    """The difference below which the loss is quadratic, in the unit of the compared quantity."""

    def __post_init__(self) -> None:
        """Check the settings. Raises ``ValueError``."""
        super().__post_init__()
        if not 0 < self.beta < math.inf:
            raise ValueError(f"beta is {self.beta}: it must be positive; the limit beta → 0 is the loss l1")

    @override
    def per_pixel(self, prediction: Tensor, value: Tensor) -> Tensor:
        return F.smooth_l1_loss(prediction, value.to(prediction.dtype), reduction="none", beta=self.beta).mean(1)
