"""Stages of SegNet, which every network of its family is made of (Badrinarayanan et al., PAMI 2017)."""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import NamedTuple

import torch.nn.functional as F
from torch import Tensor, nn

from taskscape.models.layers.blocks import conv_norm_relu

WIDTHS = (64, 128, 256, 512, 512)
"""Channels of each stage, from fine to coarse."""


class Pooled(NamedTuple):
    """A pooled map, and where its values came from."""

    features: Tensor
    """(B, C, ⌈h/2⌉, ⌈w/2⌉)."""
    indices: Tensor
    """Where in the map before pooling each maximum was found, shaped as the features."""
    size: Sequence[int]
    """The height and width before pooling."""


def pool(x: Tensor) -> Pooled:
    """Return the 2×2 maxima of a (B, C, h, w) map. Odd sizes are rounded up, so that no pixel is lost."""
    features, indices = F.max_pool2d_with_indices(x, [2, 2], ceil_mode=True)
    return Pooled(features, indices, x.shape[-2:])


def unpool(x: Tensor, pooled: Pooled) -> Tensor:
    """Put the values of a map, shaped as the pooled one, where the maxima were; the rest of the h×w map is zero."""
    return F.max_unpool2d(x, pooled.indices, [2, 2], output_size=list(pooled.size))


def encoder_channels(widths: Sequence[int], repeat: int = 1) -> list[list[int]]:
    """Return each stage as the channels around its convolutions: [3, 64, 64], …, [512, 512, 512, 512].

    The first two stages have two convolutions, the others three; each of them is there ``repeat`` times.
    """
    if not widths:
        raise ValueError(f"network.widths: a SegNet needs at least one stage, such as {WIDTHS}")
    inputs = (3, *widths)
    return [[inputs[i], *[width] * (_convolutions(i) * repeat)] for i, width in enumerate(widths)]


def decoder_channels(widths: Sequence[int], repeat: int = 1) -> list[list[int]]:
    """Return the mirrored stages, from coarse to fine: [512, 512, 512, 512], …, [64, 64, 64]."""
    outputs = (widths[0], *widths)
    return [[width, *[outputs[i]] * (_convolutions(i) * repeat)] for i, width in enumerate(widths)][::-1]


def _convolutions(stage: int) -> int:
    return 2 if stage < 2 else 3


def stage(channels: Sequence[int]) -> nn.Sequential:
    """Return conv3×3 + batch norm + ReLU units with these channels before, between and behind them."""
    return nn.Sequential(*(conv_norm_relu(inputs, outputs, bias=True) for inputs, outputs in pairwise(channels)))


def stages(channels: Sequence[Sequence[int]]) -> nn.ModuleList:
    """Return one stage for each list of channels."""
    return nn.ModuleList(stage(one) for one in channels)


def head(inputs: int, channels: int) -> nn.Sequential:
    """Return a task's last layers: conv3×3 and conv1×1, with nothing between them."""
    return nn.Sequential(nn.Conv2d(inputs, inputs, 3, padding=1), nn.Conv2d(inputs, channels, 1))


def initialise(network: nn.Module, weights: Callable[[Tensor], Tensor]) -> None:
    """Draw the weights of all convolutions with a method of ``torch.nn.init`` and set their biases to zero."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            weights(module.weight)
            assert module.bias is not None  # every convolution of this family has one
            nn.init.zeros_(module.bias)


class SegnetTrunk(nn.Module):
    """An encoder whose pooling indices tell the decoder where to put its features."""

    def __init__(self, widths: Sequence[int] = WIDTHS, repeat: int = 1) -> None:
        super().__init__()
        self.encoder = stages(encoder_channels(widths, repeat))
        self.decoder = stages(decoder_channels(widths, repeat))

    def forward(self, image: Tensor) -> Tensor:
        """Return (B, widths[0], H, W) features of a (B, 3, H, W) image."""
        x, pools = image, []
        for down in self.encoder:
            pools.append(pool(down(x)))
            x = pools[-1].features
        for up, pooled in zip(self.decoder, reversed(pools), strict=True):
            x = up(unpool(x, pooled))
        return x
