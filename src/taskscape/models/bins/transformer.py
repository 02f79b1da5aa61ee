"""A transformer for every task: adaptive bins for depth, tokens that are folded back into a map for the others."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn
from typing_extensions import override

from taskscape.models.bins.adaptive_bins import TokenSource
from taskscape.models.bins.base import BinsConfig, BinsNetwork
from taskscape.models.layers.aspp import ASPP
from taskscape.models.layers.grid_transformer import GridTransformer
from taskscape.models.layers.skip_decoder import SkipDecoder


@dataclass(frozen=True)
class TransformerConfig(BinsConfig):
    """One encoder for all tasks, and for each an ASPP or decoder, followed by a transformer over its cells.

    28,647,364 parameters for 19 classes and depth; the number was not published.
    """

    name: ClassVar[str] = "transformer"
    paper: ClassVar[str] = "Bhat et al., CVPR 2021 (AdaBins), and self-attention over the context of every other task"
    link: ClassVar[str] = "https://arxiv.org/abs/2011.14141"

    tokens: TokenSource = "aspp"
    """The input of the bins: the encoder's last feature map, the depth decoder's features, or those of an ASPP."""


class TokenBranch(nn.Module):
    """One task: ASPP → tokens → transformer → map → decoder with a skip at stride 4 → 1×1 convolution."""

    def __init__(
        self,
        deep: int,
        skip: int,
        channels: int,
        transformer: GridTransformer,
        rates: tuple[int, ...],
        skip_width: int,
        convolutions: int,
    ) -> None:
        super().__init__()
        self.aspp = ASPP(deep, rates=rates, lite=True)
        self.transformer = transformer
        self.decoder = SkipDecoder(transformer.width, skip, skip_width=skip_width, convolutions=convolutions, lite=True)
        self.head = nn.Conv2d(256, channels, 1)

    def forward(self, skip: Tensor, bottleneck: Tensor) -> Tensor:
        """Return the task's raw map at the size of the skip."""
        context = self.transformer.fold(self.transformer(self.aspp(bottleneck)))
        raw: Tensor = self.head(self.decoder(context, skip))
        return raw


class Transformer(BinsNetwork, config=TransformerConfig):
    """Encoder → depth: tokens → bins, decoder → expectation; others: ASPP → tokens → decoder → bilinear."""

    @override
    def branch(self, config: BinsConfig, deep: int, skip: int, channels: int) -> nn.Module:
        return TokenBranch(deep, skip, channels, config.transformer(256), config.rates, **config.decoder())
