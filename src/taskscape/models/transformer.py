"""Every task through a transformer: depth by adaptive bins, the others by tokens that become a map again."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn

from taskscape.models.adaptive_bins import AdaptiveBins, TokenSource
from taskscape.models.attention import GridTransformer
from taskscape.models.blocks import ASPP, SkipDecoder, cut, resize_like
from taskscape.models.encoder import AtrousOptions, Encoder
from taskscape.models.outputs import Network, Outputs


@dataclass(frozen=True)
class Transformer(AtrousOptions):
    """One encoder for all tasks, and for each an ASPP or decoder whose tokens pass a transformer of their own.

    Its parameters were not published; it has 28,647,364 for 19 classes and depth.

    The raw depth is in metres: let the task be ``Depth(representation="metres", mean=0.0, deviation=1.0)``, as well
    with a loss in metres such as SILog.
    """

    name: ClassVar[str] = "transformer"
    paper: ClassVar[str] = "Bhat et al., CVPR 2021 (AdaBins), and self-attention over the context of every other task"

    encoder: str = "resnet18"
    """Any timm backbone that gives a pyramid of features."""
    depth: str = "depth"
    """The task with one output channel that is predicted by bins."""
    tokens: TokenSource = "aspp"
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
        return TransformerNetwork(outputs, self)


class TokenBranch(nn.Module):
    """One task: ASPP → tokens → transformer → map → decoder with a skip at stride 4 → 1×1 convolution."""

    def __init__(
        self, deep: int, skip: int, channels: int, transformer: GridTransformer, rates: tuple[int, ...]
    ) -> None:
        super().__init__()
        self.aspp = ASPP(deep, rates=rates, lite=True)
        self.transformer = transformer
        self.decoder = SkipDecoder(transformer.width, skip, lite=True)
        self.head = nn.Conv2d(256, channels, 1)

    def forward(self, bottleneck: Tensor, skip: Tensor) -> Tensor:
        """Return the task's raw map at the size of the skip."""
        context = self.transformer.fold(self.transformer(self.aspp(bottleneck)))
        raw: Tensor = self.head(self.decoder(context, skip))
        return raw


class TransformerNetwork(Network):
    """Encoder → depth: tokens → bins, decoder → their expectation; others: ASPP → tokens → decoder → bilinear up."""

    def __init__(self, outputs: Mapping[str, int], options: Transformer) -> None:
        super().__init__(outputs)
        self.encoder = Encoder(options.encoder, options.output_stride, options.pretrained)
        self.skip_level = self.encoder.level(4)
        self.branches = nn.ModuleDict({task: self._branch(task, options) for task in outputs})

    def _branch(self, task: str, options: Transformer) -> nn.Module:
        deep, skip = self.encoder.channels[-1], self.encoder.channels[self.skip_level]
        channels = self.outputs[task]
        if task != options.depth:
            return TokenBranch(deep, skip, channels, _transformer(256, options), options.rates)
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


def _transformer(inputs: int, options: Transformer) -> GridTransformer:
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
