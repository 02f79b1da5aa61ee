"""A decoder with learned upsampling instead of interpolation."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from taskscape.models.layers.conv import conv_norm_relu
from taskscape.models.layers.resize import resize_like
from taskscape.models.layers.up_projection import Phases, UpProjection


class UpDecoder(nn.Module):
    """Up-projections to the skip at stride 4, a 3×3 convolution, and one more up-projection to stride 2.

    ``skips`` are the channels of the skip at stride 4 and, optionally, of the skip at stride 2; ``width`` is the number
    of channels at stride 2; ``doublings`` initial up-projections bring the input to stride 4.
    """

    def __init__(
        self, inputs: int, skips: Sequence[int], width: int, doublings: int = 0, phases: Phases = "interleaved"
    ) -> None:
        super().__init__()
        self.to_4 = nn.Sequential(*(UpProjection(inputs, inputs, phases) for _ in range(doublings)))
        self.join_4 = JoinSkip(inputs, skips[0], 48)
        self.to_2 = UpProjection(inputs, width, phases)
        self.join_2 = nn.ModuleList(JoinSkip(width, skip, 24) for skip in skips[1:])

    def forward(self, x: Tensor, *skips: Tensor) -> Tensor:
        """Return (B, width, h, w) features at stride 2."""
        x = self.to_2(self.join_4(self.to_4(x), skips[0]))
        for join, skip in zip(self.join_2, skips[1:], strict=True):
            x = join(x, skip)
        return x


class JoinSkip(nn.Module):
    """Reduces a skip, concatenates it with the features and applies a 3×3 convolution."""

    def __init__(self, width: int, skip: int, reduced: int) -> None:
        super().__init__()
        self.reduce = conv_norm_relu(skip, reduced, 1)
        self.fuse = conv_norm_relu(reduced + width, width)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        """Return (B, width, h, w) at the size of the skip."""
        features: Tensor = self.fuse(torch.cat([self.reduce(skip), fit_like(x, skip)], 1))
        return features


def fit_like(x: Tensor, reference: Tensor) -> Tensor:
    """Fit a doubled map to the size of the reference.

    If the reference has an odd size, the last row or column is cropped. The map is resized only if it is too small,
    which happens when an encoder rounds sizes down.
    """
    return resize_like(x[..., : reference.shape[-2], : reference.shape[-1]], reference)
