"""Absolute error, squared near zero."""

from dataclasses import dataclass
from typing import ClassVar

import torch.nn.functional as F
from torch import Tensor
from typing_extensions import override

from taskscape.losses.base import PixelLoss
from taskscape.serialization.ranges import Positive


@dataclass(frozen=True)
class SmoothL1(PixelLoss):
    """Absolute error that is squared where it is small: d²/(2·beta) where d is below beta, else d - beta/2.

    d is |prediction - value|; the loss is averaged over channels. Girshick, ICCV 2015, equation 3, with beta = 1
    (https://arxiv.org/abs/1504.08083).
    """

    name: ClassVar[str] = "smooth-l1"
    suits: ClassVar[tuple[str, ...]] = ("depth",)

    beta: Positive = 1.0
    """The difference below which the loss is quadratic, in the unit of the compared quantity. The limit beta → 0 is the
    loss l1."""

    @override
    def per_pixel(self, prediction: Tensor, value: Tensor) -> Tensor:
        return F.smooth_l1_loss(prediction, value.to(prediction.dtype), reduction="none", beta=self.beta).mean(1)
