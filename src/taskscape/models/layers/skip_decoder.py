"""Encoder-Decoder with Atrous Separable Convolution (Chen et al., ECCV 2018, https://arxiv.org/abs/1802.02611)."""

from itertools import pairwise

import torch
from torch import Tensor, nn

from taskscape.models.layers.conv import conv_norm_relu
from taskscape.models.layers.resize import resize_like


class SkipDecoder(nn.Module):
    """The decoder of DeepLabV3+: resizes the context to a fine skip, concatenates both and applies 3×3 convolutions.

    With ``lite``, the convolutions have biases, and the skip has no norm and ReLU.
    """

    def __init__(
        self, inputs: int, skip: int, width: int = 256, skip_width: int = 48, convolutions: int = 2, lite: bool = False
    ) -> None:
        super().__init__()
        self.reduce_skip = nn.Conv2d(skip, skip_width, 1) if lite else conv_norm_relu(skip, skip_width, 1)
        widths = [skip_width + inputs, *[width] * convolutions]
        self.fuse = nn.Sequential(*(conv_norm_relu(i, o, bias=lite) for i, o in pairwise(widths)))

    def forward(self, context: Tensor, skip: Tensor) -> Tensor:
        """Return (B, width, h, w) features at the size of the skip."""
        features: Tensor = self.fuse(torch.cat([self.reduce_skip(skip), resize_like(context, skip)], 1))
        return features
