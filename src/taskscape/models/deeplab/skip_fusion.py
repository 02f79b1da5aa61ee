"""DeepLabV3+ whose task decoders read attended skips of several scales."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from taskscape.models.layers.blocks import ASPP, SkipDecoder, cut, resize_like
from taskscape.models.layers.encoder import AtrousConfig, Encoder
from taskscape.models.base import Network, Outputs


@dataclass(frozen=True)
class DeeplabSkipFusionConfig(AtrousConfig):
    """One encoder for all tasks; each task's decoder chooses what it reads of the encoder's strides 4, 8 and last.

    Its parameters were not published; it has 22,097,050 for 19 classes and depth.
    """

    name: ClassVar[str] = "deeplab-skip-fusion"
    paper: ClassVar[str] = "Chen et al., ECCV 2018 (DeepLabV3+), a branch per task with attention over skips"

    encoder: str = "resnet18"
    """Any timm backbone that gives a pyramid of features."""

    def build(self, outputs: Mapping[str, int]) -> Network:
        """Build the network."""
        return DeeplabSkipFusion(outputs, self)


class SkipFusion(nn.Module):
    """Each scale times its own attention map σ(conv1×1), resized to the finest and concatenated."""

    def __init__(self, channels: Sequence[int]) -> None:
        super().__init__()
        self.attentions = nn.ModuleList(nn.Conv2d(c, 1, 1) for c in channels)

    def forward(self, skips: Sequence[Tensor]) -> Tensor:
        """Return (B, Σ channels, h, w) at the size of the first skip."""
        attended = [skip * attention(skip).sigmoid() for skip, attention in zip(skips, self.attentions, strict=True)]
        return torch.cat([attended[0], *(resize_like(x, attended[0]) for x in attended[1:])], 1)


class Branch(nn.Module):
    """One task: ASPP → decoder with fused skips → 1×1 convolution."""

    def __init__(self, skips: Sequence[int], rates: tuple[int, ...], channels: int) -> None:
        super().__init__()
        self.aspp = ASPP(skips[-1], rates=rates)
        self.fusion = SkipFusion(skips)
        self.decoder = SkipDecoder(256, sum(skips))
        self.head = nn.Conv2d(256, channels, 1)

    def forward(self, skips: Sequence[Tensor]) -> Tensor:
        """Return the task's raw map at the size of the first skip; the last one is the bottleneck."""
        raw: Tensor = self.head(self.decoder(self.aspp(skips[-1]), self.fusion(skips)))
        return raw


class DeeplabSkipFusion(Network):
    """Encoder → for each task: ASPP → decoder with attended skips at strides 4, 8 and last → bilinear to the image."""

    def __init__(self, outputs: Mapping[str, int], options: DeeplabSkipFusionConfig) -> None:
        super().__init__(outputs)
        self.encoder = Encoder(options.encoder, options.output_stride, options.pretrained)
        last = len(self.encoder.channels) - 1
        self.levels = sorted({self.encoder.level(4), self.encoder.level(8), last})  # at output stride 8 two coincide
        channels = [self.encoder.channels[level] for level in self.levels]
        self.branches = nn.ModuleDict({task: Branch(channels, options.rates, outputs[task]) for task in outputs})

    def shared_modules(self) -> tuple[nn.Module, ...]:
        """The encoder."""
        return (self.encoder,)

    def forward(self, image: Tensor) -> Outputs:
        """Predict every task."""
        pyramid = self.encoder(image)
        skips = cut(*(pyramid[level] for level in self.levels))
        final = {task: resize_like(branch(skips), image) for task, branch in self.branches.items()}
        return Outputs(final, {}, skips)
