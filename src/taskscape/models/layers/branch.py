"""A task's branch after a shared encoder, as in DeepLabV3+ (Chen et al., https://arxiv.org/abs/1802.02611)."""

from collections.abc import Sequence

from torch import Tensor, nn

from taskscape.models.layers.aspp import ASPP
from taskscape.models.layers.skip_decoder import SkipDecoder


class Branch(nn.Module):
    """ASPP → decoder with a skip at stride 4 → 1×1 convolution. For ``lite``, see ``ASPP`` and ``SkipDecoder``."""

    def __init__(
        self,
        deep: int,
        skip: int,
        channels: int,
        rates: Sequence[int],
        skip_width: int = 48,
        convolutions: int = 2,
        lite: bool = False,
    ) -> None:
        super().__init__()
        self.aspp = ASPP(deep, rates=rates, lite=lite)
        self.decoder = SkipDecoder(256, skip, skip_width=skip_width, convolutions=convolutions, lite=lite)
        self.head = nn.Conv2d(256, channels, 1)

    def forward(self, skip: Tensor, bottleneck: Tensor) -> Tensor:
        """Return the task's raw map, (B, channels, h, w), at the size of the skip."""
        raw: Tensor = self.head(self.decoder(self.aspp(bottleneck), skip))
        return raw
