"""Every task through a transformer: depth by adaptive bins, the others by tokens that become a map again."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn

from taskscape.models.bins.adaptive_bins import TokenSource
from taskscape.models.layers.attention import GridTransformer
from taskscape.models.bins.network import BinsNetwork, BinsConfig
from taskscape.models.layers.blocks import ASPP, SkipDecoder
from taskscape.models.base import Network


@dataclass(frozen=True)
class TransformerConfig(BinsConfig):
    """One encoder for all tasks, and for each an ASPP or decoder whose tokens pass a transformer of their own.

    Its parameters were not published; it has 28,647,364 for 19 classes and depth.

    The raw depth is in metres: let the task be ``Depth(representation="metres", mean=0.0, deviation=1.0)``, as well
    with a loss in metres such as SILog.
    """

    name: ClassVar[str] = "transformer"
    paper: ClassVar[str] = "Bhat et al., CVPR 2021 (AdaBins), and self-attention over the context of every other task"

    tokens: TokenSource = "aspp"
    """What becomes bins: the encoder's last feature, the depth decoder's features, or those of an ASPP."""

    def build(self, outputs: Mapping[str, int]) -> Network:
        """Build the network."""
        return Transformer(outputs, self)


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


class Transformer(BinsNetwork):
    """Encoder → depth: tokens → bins, decoder → their expectation; others: ASPP → tokens → decoder → bilinear up."""

    def branch(self, deep: int, skip: int, channels: int, options: TransformerConfig) -> nn.Module:
        """Build the branch of a task other than the depth."""
        return TokenBranch(deep, skip, channels, options.transformer(256), options.rates)
