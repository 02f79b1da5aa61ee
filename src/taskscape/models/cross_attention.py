"""Class tokens that look at the image: what a token is like there is what its class scores."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from taskscape.models.adaptive_bins import AdaptiveBins, TokenSource
from taskscape.models.attention import CrossTransformerBlock, GridTransformer
from taskscape.models.blocks import ASPP, SkipDecoder, cut, resize_like
from taskscape.models.encoder import AtrousOptions, Encoder
from taskscape.models.outputs import Network, Outputs


@dataclass(frozen=True)
class CrossAttention(AtrousOptions):
    """One encoder for all tasks; depth by adaptive bins, every other task by one learnt token per output channel.

    Its parameters were not published; it has 24,648,625 for 19 classes and depth.

    The raw depth is in metres: let the task be ``Depth(representation="metres", mean=0.0, deviation=1.0)``, as well
    with a loss in metres such as SILog.
    """

    name: ClassVar[str] = "cross-attention"
    paper: ClassVar[str] = "Bhat et al., CVPR 2021 (AdaBins), and class tokens with cross-attention"

    encoder: str = "resnet18"
    """Any timm backbone that gives a pyramid of features."""
    depth: str = "depth"
    """The task with one output channel that is predicted by bins."""
    tokens: TokenSource = "encoder"
    """What becomes bins: the encoder's last feature, the depth decoder's features, or those of an ASPP."""
    grid: int = 16
    """Tokens are the cells of a grid × grid; there are as many bins."""
    width: int = 256
    """Channels of a token; 512 was compared."""
    heads: int = 4
    """Heads of the attention; 8 were best with tokens from an ASPP."""
    blocks: int = 3
    """Transformer blocks; 6 were best with tokens from an ASPP."""
    expansion: int = 4
    """How many times wider the transformer's hidden layers are; 8 was compared."""
    dropout: float = 0.0
    """Probability that a similarity is left out of the attention in training."""
    temperature: float = 1.0
    """What similarities are divided by, besides the root of a head's width."""
    position: bool = False
    """A learnt position for each cell, added to the queries."""
    start: float = 10.0
    """Where bins begin, in the unit of the raw output."""

    def build(self, outputs: Mapping[str, int]) -> Network:
        """Build the network."""
        return CrossAttentionNetwork(outputs, self)


class ClassTokenBranch(nn.Module):
    """One task: ASPP → decoder → features; tokens attend to the features → token · feature."""

    def __init__(self, deep: int, skip: int, channels: int, options: CrossAttention) -> None:
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


class CrossAttentionNetwork(Network):
    """Encoder → depth: tokens → bins, decoder → their expectation; others: decoder → tokens · pixels → bilinear up."""

    def __init__(self, outputs: Mapping[str, int], options: CrossAttention) -> None:
        super().__init__(outputs)
        self.encoder = Encoder(options.encoder, options.output_stride, options.pretrained)
        self.skip_level = self.encoder.level(4)
        self.branches = nn.ModuleDict({task: self._branch(task, options) for task in outputs})

    def _branch(self, task: str, options: CrossAttention) -> nn.Module:
        deep, skip = self.encoder.channels[-1], self.encoder.channels[self.skip_level]
        channels = self.outputs[task]
        if task != options.depth:
            return ClassTokenBranch(deep, skip, channels, options)
        if channels != 1:
            raise ValueError(f"network.depth is {task!r}, which has {channels} channels: name a task that has one")
        inputs = deep if options.tokens == "encoder" else 256
        return AdaptiveBins(deep, skip, _transformer(inputs, options), options.tokens, options.rates, options.start)

    def shared_modules(self) -> tuple[nn.Module, ...]:
        """The encoder."""
        return (self.encoder,)

    def forward(self, image: Tensor) -> Outputs:
        """Predict every task."""
        skip, bottleneck = self._cut(image)
        final = {task: resize_like(branch(bottleneck, skip), image) for task, branch in self.branches.items()}
        return Outputs(final, {}, (skip, bottleneck))

    def bins(self, image: Tensor) -> Tensor:
        """Return the bins chosen for each image, (B, grid²), in the unit of the raw depth.

        Raises ``ValueError`` for a network without a task that is predicted by bins.
        """
        for branch in self.branches.values():
            if isinstance(branch, AdaptiveBins):
                skip, bottleneck = self._cut(image)
                return branch.bins(bottleneck, skip)
        raise ValueError(f"this network has no bins: none of its tasks {list(self.outputs)} is its options' depth")

    def _cut(self, image: Tensor) -> tuple[Tensor, ...]:
        pyramid = self.encoder(image)
        return cut(pyramid[self.skip_level], pyramid[-1])


def _transformer(inputs: int, options: CrossAttention) -> GridTransformer:
    return GridTransformer(
        inputs,
        options.grid,
        options.width,
        options.heads,
        options.blocks,
        options.expansion,
        options.dropout,
        options.temperature,
        options.position,
    )
