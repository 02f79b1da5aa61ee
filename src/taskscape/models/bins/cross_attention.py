"""Class tokens that look at the image: what a token is like there is what its class scores."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from taskscape.models.layers.attention import CrossTransformerBlock
from taskscape.models.bins.network import BinsNetwork, BinsConfig
from taskscape.models.layers.blocks import ASPP, SkipDecoder
from taskscape.models.base import Network


@dataclass(frozen=True)
class CrossAttentionConfig(BinsConfig):
    """One encoder for all tasks; depth by adaptive bins, every other task by one learnt token per output channel.

    Its parameters were not published; it has 24,648,625 for 19 classes and depth.

    The raw depth is in metres: let the task be ``Depth(representation="metres", mean=0.0, deviation=1.0)``, as well
    with a loss in metres such as SILog.
    """

    name: ClassVar[str] = "cross-attention"
    paper: ClassVar[str] = "Bhat et al., CVPR 2021 (AdaBins), and class tokens with cross-attention"

    def build(self, outputs: Mapping[str, int]) -> Network:
        """Build the network."""
        return CrossAttention(outputs, self)


class ClassTokenBranch(nn.Module):
    """One task: ASPP → decoder → features; tokens attend to the features → token · feature."""

    def __init__(self, deep: int, skip: int, channels: int, options: CrossAttentionConfig) -> None:
        super().__init__()
        width = options.width
        self.aspp = ASPP(deep, rates=options.rates, lite=True)
        self.decoder = SkipDecoder(256, skip, lite=True)
        self.project = nn.Identity() if width == 256 else nn.Conv2d(256, width, 1)
        self.tokens = nn.Parameter(torch.randn(1, channels, width))
        self.blocks = nn.ModuleList(
            CrossTransformerBlock(width, options.heads, options.expansion, options.dropout, options.temperature)
            for _ in range(options.blocks)
        )

    def forward(self, bottleneck: Tensor, skip: Tensor) -> Tensor:
        """Return the task's raw map at the size of the skip."""
        features = self.project(self.decoder(self.aspp(bottleneck), skip))
        pixels = features.flatten(2)
        tokens = self.tokens.expand(features.shape[0], -1, -1)
        for block in self.blocks:
            tokens = block(tokens, pixels.transpose(1, 2))
        raw: Tensor = (tokens @ pixels).unflatten(2, features.shape[2:])
        return raw


class CrossAttention(BinsNetwork):
    """Encoder → depth: tokens → bins, decoder → their expectation; others: decoder → tokens · pixels → bilinear up."""

    def branch(self, deep: int, skip: int, channels: int, options: CrossAttentionConfig) -> nn.Module:
        """Build the branch of a task other than the depth."""
        return ClassTokenBranch(deep, skip, channels, options)
