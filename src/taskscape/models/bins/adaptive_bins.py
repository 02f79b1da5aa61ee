"""AdaBins: Depth Estimation Using Adaptive Bins (Bhat et al., CVPR 2021, https://arxiv.org/abs/2011.14141)."""

from collections.abc import Sequence
from typing import Literal

import torch.nn.functional as F
from torch import Tensor, nn

from taskscape.models.layers.aspp import ASPP
from taskscape.models.layers.grid_transformer import GridTransformer
from taskscape.models.layers.skip_decoder import SkipDecoder

TokenSource = Literal["encoder", "decoder", "aspp"]
"""The input of the tokens: the encoder's last feature map, the decoder's features, or those of an ASPP."""


class AdaptiveBins(nn.Module):
    """Each token of a transformer predicts a bin, a depth; a pixel's depth is the softmax-weighted mean of the bins.

    Unlike in AdaBins, tokens are cells of the image, so a bin is the depth of some part of the image. Bins are plain
    outputs of a linear layer: they are not sorted and can be negative.
    """

    def __init__(
        self,
        deep: int,
        skip: int,
        transformer: GridTransformer,
        tokens: TokenSource,
        rates: Sequence[int],
        start: float,
        skip_width: int,
        convolutions: int,
    ) -> None:
        """Create it for ``deep`` channels of the bottleneck and ``skip`` channels at stride 4.

        ``transformer`` reads the bottleneck, or 256 channels from the decoder or from an ASPP with these ``rates``.
        ``start`` is the approximate initial value of the bins.
        """
        super().__init__()
        self.tokens = tokens
        self.decoder = SkipDecoder(deep, skip, skip_width=skip_width, convolutions=convolutions, lite=True)
        self.head = nn.Conv2d(256, 256, 1)
        self.query = nn.Conv2d(256, 256, 3, padding=1)
        self.aspp = ASPP(deep, rates=rates, lite=True) if tokens == "aspp" else nn.Identity()
        self.transformer = transformer
        self.to_bin = nn.Linear(transformer.width, 1)
        self.to_key = nn.Identity() if transformer.width == 256 else nn.Linear(transformer.width, 256)
        # A depth that is clamped to the allowed range passes no gradient, so start well inside it.
        nn.init.constant_(self.to_bin.bias, start)

    def forward(self, skip: Tensor, bottleneck: Tensor) -> Tensor:
        """Return the depth, (B, 1, h, w), at the size of the skip."""
        features = self.head(self.decoder(bottleneck, skip))
        tokens = self._tokens(bottleneck, features)
        queries = self.query(features)
        # The mean of the bins, weighted by a softmax over pixel · token, is an attention with the bins as values.
        # ONNX export needs the axis for its single head.
        query, key, value = (
            x.unsqueeze(1) for x in (queries.flatten(2).transpose(1, 2), self.to_key(tokens), self.to_bin(tokens))
        )
        depth: Tensor = F.scaled_dot_product_attention(query, key, value, scale=1.0).squeeze(1)
        depth = depth.transpose(1, 2).unflatten(2, queries.shape[2:])
        return depth

    def bins(self, skip: Tensor, bottleneck: Tensor) -> Tensor:
        """Return the (B, grid²) bins of the cells, row by row, in the unit of the depth."""
        bins: Tensor = self.to_bin(self._tokens(bottleneck, self.head(self.decoder(bottleneck, skip))))
        return bins.squeeze(2)

    def _tokens(self, bottleneck: Tensor, features: Tensor) -> Tensor:
        tokens: Tensor = self.transformer(features if self.tokens == "decoder" else self.aspp(bottleneck))
        return tokens
