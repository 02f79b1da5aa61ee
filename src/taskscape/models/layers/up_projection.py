"""Decoders that learn their upsampling instead of interpolating."""

from collections.abc import Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from taskscape.models.layers.blocks import conv_norm_relu, resize_like

Phases = Literal["interleaved", "shuffled"]
"""How the four maps of an up-projection fill the doubled grid."""


def fit_like(x: Tensor, reference: Tensor) -> Tensor:
    """Bring a doubled map to the size of the reference.

    Where the reference has an odd size, the last row or column is cut off; only where an encoder rounds sizes down, so
    that the map is too small, is it stretched.
    """
    return resize_like(x[..., : reference.shape[-2], : reference.shape[-1]], reference)


class UpProjection(nn.Module):
    """The fast up-convolution of Laina et al. (3DV 2016, section 3.2), without their residual branch.

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


class UpDecoder(nn.Module):
    """Up-projections to the skip at stride 4, a 3×3 convolution, and one more up-projection to stride 2.

    ``skips`` are the channels of the skip at stride 4 and, if there is one, of that at stride 2; ``width`` is that of
    the features at stride 2; ``doublings`` leading up-projections bring the input to stride 4.
    """

    def __init__(
        self, inputs: int, skips: Sequence[int], width: int, doublings: int = 0, phases: Phases = "interleaved"
    ) -> None:
        super().__init__()
        self.to_4 = nn.Sequential(*(UpProjection(inputs, inputs, phases) for _ in range(doublings)))
        self.join_4 = JoinSkip(inputs, skips[0], 48)
        self.to_2 = UpProjection(inputs, width, phases)
        self.join_2 = nn.ModuleList(JoinSkip(width, skip, 24) for skip in skips[1:])

    def forward(self, x: Tensor, skips: Sequence[Tensor]) -> Tensor:
        """Return (B, width, h, w) features at stride 2."""
        x = self.to_2(self.join_4(self.to_4(x), skips[0]))
        for join, skip in zip(self.join_2, skips[1:], strict=True):
            x = join(x, skip)
        return x


class JoinSkip(nn.Module):
    """A reduced skip, joined with the features, and a 3×3 convolution."""

    def __init__(self, width: int, skip: int, reduced: int) -> None:
        super().__init__()
        self.reduce = conv_norm_relu(skip, reduced, 1)
        self.fuse = conv_norm_relu(reduced + width, width)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        """Return (B, width, h, w) at the size of the skip."""
        features: Tensor = self.fuse(torch.cat([self.reduce(skip), fit_like(x, skip)], 1))
        return features


def _convolution_and_norm(inputs: int, outputs: int, kernel: tuple[int, int]) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inputs, outputs, kernel), nn.BatchNorm2d(outputs))
