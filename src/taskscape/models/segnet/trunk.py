"""SegNet without its last layers (Badrinarayanan et al., PAMI 2017, https://arxiv.org/abs/1511.00561)."""

from collections.abc import Sequence

from torch import Tensor, nn

from taskscape.models.segnet.pooling import pool, unpool
from taskscape.models.segnet.stages import decoder_channels, encoder_channels, stages


class SegnetTrunk(nn.Module):
    """An encoder, and a decoder that unpools with the encoder's pooling indices."""

    def __init__(self, widths: Sequence[int], repeat: int = 1) -> None:
        super().__init__()
        self.encoder = stages(encoder_channels(widths, repeat))
        self.decoder = stages(decoder_channels(widths, repeat))

    def forward(self, image: Tensor) -> Tensor:
        """Return (B, widths[0], H, W) features for (B, 3, H, W) images."""
        x, pools = image, []
        for down in self.encoder:
            pools.append(pool(down(x)))
            x = pools[-1].features
        for up, pooled in zip(self.decoder, reversed(pools), strict=True):
            x = up(unpool(x, pooled))
        return x
