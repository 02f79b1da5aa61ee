"""A learned token per class, refined by cross-attention to the image; the score of a class is token · pixel."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from typing_extensions import override

from taskscape.models.bins.base import BinsConfig, BinsNetwork
from taskscape.models.layers.aspp import ASPP
from taskscape.models.layers.skip_decoder import SkipDecoder
from taskscape.models.layers.transformer_block import CrossTransformerBlock


@dataclass(frozen=True)
class CrossAttentionConfig(BinsConfig):
    """One encoder for all tasks; adaptive bins for depth, one learned token per output channel for every other task.

    24,648,625 parameters for 19 classes and depth; the number was not published.
    """

    name: ClassVar[str] = "cross-attention"
    paper: ClassVar[str] = "Bhat et al., CVPR 2021 (AdaBins), and class tokens with cross-attention"
    link: ClassVar[str] = "https://arxiv.org/abs/2011.14141"


class ClassTokenBranch(nn.Module):
    """One task: ASPP → decoder → features; tokens attend to the features → token · feature."""

    def __init__(self, deep: int, skip: int, channels: int, config: BinsConfig) -> None:
        super().__init__()
        width = config.width
        self.aspp = ASPP(deep, rates=config.rates, lite=True)
        self.decoder = SkipDecoder(256, skip, lite=True, **config.decoder())
        self.project = nn.Identity() if width == 256 else nn.Conv2d(256, width, 1)
        self.tokens = nn.Parameter(torch.randn(1, channels, width))
        self.blocks = nn.ModuleList(
            CrossTransformerBlock(
                width, config.heads, config.expansion, config.dropout, config.temperature, config.attention_scale
            )
            for _ in range(config.blocks)
        )

    def forward(self, skip: Tensor, bottleneck: Tensor) -> Tensor:
        """Return the task's raw map at the size of the skip."""
        features = self._features(skip, bottleneck)
        pixels = features.flatten(2)
        tokens = self.tokens.expand(features.shape[0], -1, -1)
        for block in self.blocks:
            tokens = block(tokens, pixels.transpose(1, 2))
        raw: Tensor = (tokens @ pixels).unflatten(2, features.shape[2:])
        return raw

    def attention(self, skip: Tensor, bottleneck: Tensor) -> Tensor:
        """Return each token's attention to each pixel in the last block, (B, channels, h, w), at the skip's size.

        Requires at least one block.
        """
        features = self._features(skip, bottleneck)
        pixels = features.flatten(2).transpose(1, 2)
        tokens = self.tokens.expand(features.shape[0], -1, -1)
        *earlier, last = self.blocks
        for block in earlier:
            tokens = block(tokens, pixels)
        assert isinstance(last, CrossTransformerBlock)
        maps: Tensor = last.weights(tokens, pixels).unflatten(2, features.shape[2:])
        return maps

    def _features(self, skip: Tensor, bottleneck: Tensor) -> Tensor:
        features: Tensor = self.project(self.decoder(self.aspp(bottleneck), skip))
        return features


class CrossAttention(BinsNetwork, config=CrossAttentionConfig):
    """Encoder → depth: tokens → bins, decoder → expectation; others: decoder → tokens · pixels → bilinear."""

    @override
    def branch(self, config: BinsConfig, deep: int, skip: int, channels: int) -> nn.Module:
        return ClassTokenBranch(deep, skip, channels, config)

    @override
    def attention_maps(self, image: Tensor) -> dict[str, Tensor]:
        skip, bottleneck = self.read(self.encoder(image))
        return {
            task: branch.attention(skip, bottleneck)
            for task, branch in self.branches.items()
            if isinstance(branch, ClassTokenBranch) and len(branch.blocks)
        }
