"""DeepLabV3+ with a branch per task, on a small encoder and without norms where they are not needed."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn

from taskscape.models.layers.blocks import LiteBranch, cut, resize_like
from taskscape.models.layers.encoder import AtrousConfig, Encoder
from taskscape.models.base import Network, Outputs


@dataclass(frozen=True)
class DeeplabBranchedLiteConfig(AtrousConfig):
    """One encoder for all tasks, an ASPP and a decoder for each; ASPPs and skips end in plain convolutions."""

    name: ClassVar[str] = "deeplab-branched-lite"
    paper: ClassVar[str] = "Chen et al., ECCV 2018 (DeepLabV3+), a branch per task, convolutions with biases"

    encoder: str = "resnet18"
    """Any timm backbone that gives a pyramid of features."""
    skip_width: int = 48
    """Channels to which the skip at stride 4 is reduced; 16, 32, 48 and 64 were compared."""
    convolutions: int = 2
    """Number of 3×3 convolutions of a decoder; one to three were compared."""

    def build(self, outputs: Mapping[str, int]) -> Network:
        """Build the network."""
        return DeeplabBranchedLite(outputs, self)


class DeeplabBranchedLite(Network):
    """Encoder → for each task: ASPP → decoder with a skip at stride 4 → bilinear to the image."""

    def __init__(self, outputs: Mapping[str, int], options: DeeplabBranchedLiteConfig) -> None:
        super().__init__(outputs)
        self.encoder = Encoder(options.encoder, options.output_stride, options.pretrained)
        self.skip_level = self.encoder.level(4)
        deep, skip = self.encoder.channels[-1], self.encoder.channels[self.skip_level]
        self.branches = nn.ModuleDict(
            {
                task: LiteBranch(deep, skip, channels, options.rates, options.skip_width, options.convolutions)
                for task, channels in outputs.items()
            }
        )

    def shared_modules(self) -> tuple[nn.Module, ...]:
        """The encoder."""
        return (self.encoder,)

    def forward(self, image: Tensor) -> Outputs:
        """Predict every task."""
        pyramid = self.encoder(image)
        skip, bottleneck = cut(pyramid[self.skip_level], pyramid[-1])
        final = {task: resize_like(branch(bottleneck, skip), image) for task, branch in self.branches.items()}
        return Outputs(final, {}, (skip, bottleneck))
