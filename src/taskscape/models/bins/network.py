"""What networks with adaptive depth bins have in common: one encoder, bins for the depth, a branch per other task."""

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from taskscape.models.bins.adaptive_bins import AdaptiveBins, TokenSource
from taskscape.models.layers.attention import GridTransformer
from taskscape.models.layers.blocks import cut, resize_like
from taskscape.models.layers.encoder import AtrousConfig, Encoder
from taskscape.models.base import Network, Outputs


@dataclass(frozen=True)
class BinsConfig(AtrousConfig):
    """The options of a network with adaptive depth bins, and of the transformers in it."""

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

    def transformer(self, inputs: int) -> GridTransformer:
        """Build a transformer over the cells of a map of ``inputs`` channels."""
        return GridTransformer(
            inputs,
            self.grid,
            self.width,
            self.heads,
            self.blocks,
            self.expansion,
            self.dropout,
            self.temperature,
            self.position,
        )


class BinsNetwork(Network):
    """Encoder → depth: tokens → bins, decoder → their expectation; others: a branch each → bilinear to the image.

    Where the depth is not among the tasks, as in a baseline for another one, every task has such a branch.
    """

    def __init__(self, outputs: Mapping[str, int], options: Any) -> None:
        """Build it for ``options`` of the network's own kind, a ``BinsConfig``."""
        super().__init__(outputs)
        self.encoder = Encoder(options.encoder, options.output_stride, options.pretrained)
        self.skip_level = self.encoder.level(4)
        deep, skip = self.encoder.channels[-1], self.encoder.channels[self.skip_level]
        if outputs.get(options.depth, 1) != 1:
            raise ValueError(
                f"network.depth is {options.depth!r}, which has {outputs[options.depth]} channels: name a task that "
                "has one"
            )
        self.branches = nn.ModuleDict()
        for task, channels in outputs.items():
            if task == options.depth:
                transformer = options.transformer(deep if options.tokens == "encoder" else 256)
                self.branches[task] = AdaptiveBins(
                    deep, skip, transformer, options.tokens, options.rates, options.start
                )
            else:
                self.branches[task] = self.branch(deep, skip, channels, options)

    @abstractmethod
    def branch(self, deep: int, skip: int, channels: int, options: Any) -> nn.Module:
        """Build a task's way from (bottleneck, skip) to its raw map at the size of the skip."""

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
