"""Deeper Depth Prediction with Fully Convolutional Residual Networks (Laina et al., 3DV 2016).

https://arxiv.org/abs/1606.00373, section 3.2
"""

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Phases = Literal["interleaved", "shuffled"]
"""How the four maps of an up-projection fill the doubled grid."""


class UpProjection(nn.Module):
    """The fast up-convolution, without the residual branch of the paper.

    ``"interleaved"`` puts each of four convolutions into one phase of the doubled grid, which together equal one 5×5
    convolution of the map with zeros put between its pixels. ``"shuffled"`` is the concatenation followed by
    ``PixelShuffle`` with which the DeepLabV3+ ladder was published: it fills a 2×2 cell with four channels of one
    convolution.
    """

    def __init__(self, inputs: int, outputs: int, phases: Phases = "interleaved") -> None:
        super().__init__()
        self.phases = phases
        self.even_even = _convolution_and_norm(inputs, outputs, (3, 3))
        self.odd_even = _convolution_and_norm(inputs, outputs, (2, 3))
        self.even_odd = _convolution_and_norm(inputs, outputs, (3, 2))
        self.odd_odd = _convolution_and_norm(inputs, outputs, (2, 2))

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, outputs, 2h, 2w) for (B, inputs, h, w)."""
        even_even = self.even_even(F.pad(x, (1, 1, 1, 1)))  # even rows, even columns
        odd_even = self.odd_even(F.pad(x, (1, 1, 0, 1)))
        even_odd = self.even_odd(F.pad(x, (0, 1, 1, 1)))
        odd_odd = self.odd_odd(F.pad(x, (0, 1, 0, 1)))
        if self.phases == "interleaved":
            cells = torch.stack([even_even, even_odd, odd_even, odd_odd], 2).flatten(1, 2)
        else:
            cells = torch.cat([even_even, odd_even, even_odd, odd_odd], 1)
        return F.pixel_shuffle(cells, 2).relu()


def _convolution_and_norm(inputs: int, outputs: int, kernel: tuple[int, int]) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inputs, outputs, kernel), nn.BatchNorm2d(outputs))
