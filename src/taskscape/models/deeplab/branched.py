"""DeepLabV3+ with an ASPP and a decoder per task behind a shared encoder."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn

from taskscape.models.layers.blocks import ASPP, SkipDecoder, SqueezeExcitation, cut, resize_like
from taskscape.models.layers.encoder import AtrousConfig, Encoder
from taskscape.models.base import Network, Outputs


@dataclass(frozen=True)
class DeeplabBranchedConfig(AtrousConfig):
    """One encoder for all tasks, an ASPP and a decoder for each."""

    name: ClassVar[str] = "deeplab-branched"
    paper: ClassVar[str] = "Chen et al., ECCV 2018 (DeepLabV3+), a branch per task"

    bottleneck_se: bool = False
    """Squeeze-and-excitation on the encoder's last feature."""

    def build(self, outputs: Mapping[str, int]) -> Network:
        """Build the network."""
        return DeeplabBranched(outputs, self)


class Branch(nn.Module):
    """One task: ASPP → decoder with a skip at stride 4 → 1×1 convolution."""

    def __init__(self, deep: int, skip: int, rates: tuple[int, ...], channels: int) -> None:
        super().__init__()
        self.aspp = ASPP(deep, rates=rates)
        self.decoder = SkipDecoder(256, skip)
        self.head = nn.Conv2d(256, channels, 1)

    def forward(self, bottleneck: Tensor, skip: Tensor) -> Tensor:
        """Return the task's raw map at the size of the skip."""
        raw: Tensor = self.head(self.decoder(self.aspp(bottleneck), skip))
        return raw


class DeeplabBranched(Network):
    """Encoder → for each task: ASPP → decoder with a skip at stride 4 → bilinear to the image."""

    def __init__(self, outputs: Mapping[str, int], options: DeeplabBranchedConfig) -> None:
        super().__init__(outputs)
        self.encoder = Encoder(options.encoder, options.output_stride, options.pretrained)
        self.skip_level = self.encoder.level(4)
        deep, skip = self.encoder.channels[-1], self.encoder.channels[self.skip_level]
        self.bottleneck = SqueezeExcitation(deep) if options.bottleneck_se else nn.Identity()
        self.branches = nn.ModuleDict(
            {task: Branch(deep, skip, options.rates, channels) for task, channels in outputs.items()}
        )

    def shared_modules(self) -> tuple[nn.Module, ...]:
        """The encoder."""
        return self.encoder, self.bottleneck

    def forward(self, image: Tensor) -> Outputs:
        """Predict every task."""
        pyramid = self.encoder(image)
        skip, bottleneck = cut(pyramid[self.skip_level], self.bottleneck(pyramid[-1]))
        final = {task: resize_like(branch(bottleneck, skip), image) for task, branch in self.branches.items()}
        return Outputs(final, {}, (skip, bottleneck))
