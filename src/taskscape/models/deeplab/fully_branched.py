"""DeepLabV3+ with nothing shared: an encoder, an ASPP and a decoder per task, each dilated as the task likes it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

from torch import Tensor, nn

from taskscape.models.layers.blocks import ASPP, SkipDecoder, resize_like
from taskscape.models.layers.encoder import AtrousConfig, Encoder
from taskscape.models.base import Network, Outputs


@dataclass(frozen=True)
class DeeplabFullyBranchedConfig(AtrousConfig):
    """A whole network per task; tasks that live on context have more dilation than those that live on detail.

    The published 32.3 M parameters are those of other blocks; with these it has 34,456,404 for 19 classes and depth.
    """

    name: ClassVar[str] = "deeplab-fully-branched"
    paper: ClassVar[str] = "Chen et al., ECCV 2018 (DeepLabV3+), an encoder per task"

    encoder: str = "resnet18"
    """Any timm backbone that gives a pyramid of features."""
    wide_tasks: tuple[str, ...] = ("semseg",)
    """Tasks that see far: they have the following two options instead of the preceding two."""
    wide_output_stride: Literal[8, 16, 32] = 8
    """As ``output_stride``."""
    wide_rates: tuple[int, ...] = (6, 12, 18, 24)
    """As ``rates``."""

    def build(self, outputs: Mapping[str, int]) -> Network:
        """Build the network."""
        return DeeplabFullyBranched(outputs, self)


class SingleTask(nn.Module):
    """Encoder → ASPP → decoder with a skip at stride 4 → 1×1 convolution."""

    def __init__(
        self, encoder: str, pretrained: bool | Path, output_stride: int, rates: tuple[int, ...], channels: int
    ) -> None:
        super().__init__()
        self.encoder = Encoder(encoder, output_stride, pretrained)
        self.skip_level = self.encoder.level(4)
        self.aspp = ASPP(self.encoder.channels[-1], rates=rates)
        self.decoder = SkipDecoder(256, self.encoder.channels[self.skip_level])
        self.head = nn.Conv2d(256, channels, 1)

    def forward(self, image: Tensor) -> Tensor:
        """Return the task's raw map at the size of the image."""
        pyramid = self.encoder(image)
        return resize_like(self.head(self.decoder(self.aspp(pyramid[-1]), pyramid[self.skip_level])), image)


class DeeplabFullyBranched(Network):
    """For each task: encoder → ASPP → decoder with a skip at stride 4 → bilinear to the image."""

    def __init__(self, outputs: Mapping[str, int], options: DeeplabFullyBranchedConfig) -> None:
        super().__init__(outputs)
        narrow = (options.output_stride, options.rates)
        wide = (options.wide_output_stride, options.wide_rates)
        self.tasks = nn.ModuleDict(
            {
                task: SingleTask(
                    options.encoder, options.pretrained, *(wide if task in options.wide_tasks else narrow), channels
                )
                for task, channels in outputs.items()
            }
        )

    def shared_modules(self) -> tuple[nn.Module, ...]:
        """Nothing."""
        return ()

    def forward(self, image: Tensor) -> Outputs:
        """Predict every task."""
        return Outputs({task: network(image) for task, network in self.tasks.items()}, {}, ())
