"""DeepLabV3+ with task decoders that read skips at several scales, each weighted by an attention map."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from typing_extensions import override

from taskscape.models.branches import SharedEncoder
from taskscape.models.layers.aspp import ASPP
from taskscape.models.layers.encoder import AtrousConfig
from taskscape.models.layers.resize import resize_like
from taskscape.models.layers.skip_decoder import SkipDecoder


@dataclass(frozen=True)
class DeeplabSkipFusionConfig(AtrousConfig):
    """One encoder for all tasks; each task's decoder weights the encoder's levels at strides 4 and 8 and its last.

    22,097,050 parameters for 19 classes and depth; the number was not published. The shared features are these levels.
    """

    name: ClassVar[str] = "deeplab-skip-fusion"
    paper: ClassVar[str] = "Chen et al., ECCV 2018 (DeepLabV3+), a branch per task with attention over skips"
    link: ClassVar[str] = "https://arxiv.org/abs/1802.02611"

    encoder: str = "resnet18"
    """Any timm backbone: convolutional, hierarchical or a plain vision transformer."""


class SkipFusion(nn.Module):
    """Multiplies each scale by its own attention map σ(conv1×1), resizes all to the finest and concatenates them."""

    def __init__(self, channels: Sequence[int]) -> None:
        super().__init__()
        self.attentions = nn.ModuleList(nn.Conv2d(c, 1, 1) for c in channels)

    def forward(self, skips: Sequence[Tensor]) -> Tensor:
        """Return (B, Σ channels, h, w) at the size of the first skip."""
        attended = [skip * attention(skip).sigmoid() for skip, attention in zip(skips, self.attentions, strict=True)]
        return torch.cat([attended[0], *(resize_like(x, attended[0]) for x in attended[1:])], 1)


class FusionBranch(nn.Module):
    """One task: ASPP → decoder with fused skips → 1×1 convolution."""

    def __init__(self, skips: Sequence[int], rates: tuple[int, ...], channels: int) -> None:
        super().__init__()
        self.aspp = ASPP(skips[-1], rates=rates)
        self.fusion = SkipFusion(skips)
        self.decoder = SkipDecoder(256, sum(skips))
        self.head = nn.Conv2d(256, channels, 1)

    def forward(self, *skips: Tensor) -> Tensor:
        """Return the task's raw map at the size of the first skip; the last one is the bottleneck."""
        raw: Tensor = self.head(self.decoder(self.aspp(skips[-1]), self.fusion(skips)))
        return raw


class DeeplabSkipFusion(SharedEncoder, config=DeeplabSkipFusionConfig):
    """Encoder → for each task: ASPP → decoder with attended skips (strides 4, 8, last) → bilinear to the image."""

    def __init__(
        self, out_channels: Mapping[str, int], config: DeeplabSkipFusionConfig | None = None, **options: Any
    ) -> None:
        super().__init__(out_channels)
        config = DeeplabSkipFusionConfig.of(config, options)
        self.encoder = config.build_encoder(config.output_stride)
        last = len(self.encoder.channels) - 1
        self.levels = sorted({self.encoder.level(4), self.encoder.level(8), last})  # two coincide at output stride 8
        skips = [self.encoder.channels[level] for level in self.levels]
        self.branches = nn.ModuleDict(
            {task: FusionBranch(skips, config.rates, channels) for task, channels in out_channels.items()}
        )

    @override
    def read(self, pyramid: Sequence[Tensor]) -> tuple[Tensor, ...]:
        return tuple(pyramid[level] for level in self.levels)
