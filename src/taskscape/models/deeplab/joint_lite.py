"""DeepLabV3+ with everything shared, on a small encoder and without norms where they are not needed."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn

from taskscape.models.layers.blocks import ASPP, SkipDecoder, resize_like
from taskscape.models.layers.encoder import AtrousConfig, Encoder
from taskscape.models.base import Network, Outputs


@dataclass(frozen=True)
class DeeplabJointLiteConfig(AtrousConfig):
    """One encoder, one ASPP and one decoder for all tasks; the ASPP and the skip end in plain convolutions."""

    name: ClassVar[str] = "deeplab-joint-lite"
    paper: ClassVar[str] = "Chen et al., ECCV 2018 (DeepLabV3+), convolutions with biases"

    encoder: str = "resnet18"
    """Any timm backbone that gives a pyramid of features."""
    skip_width: int = 48
    """Channels to which the skip at stride 4 is reduced; 16, 32, 48 and 64 were compared."""
    convolutions: int = 2
    """Number of 3×3 convolutions of the decoder; one to three were compared."""

    def build(self, outputs: Mapping[str, int]) -> Network:
        """Build the network."""
        return DeeplabJointLite(outputs, self)


class DeeplabJointLite(Network):
    """Encoder → ASPP → decoder with a skip at stride 4 → 1×1 convolution per task → bilinear to the image."""

    def __init__(self, outputs: Mapping[str, int], options: DeeplabJointLiteConfig) -> None:
        super().__init__(outputs)
        self.encoder = Encoder(options.encoder, options.output_stride, options.pretrained)
        self.skip_level = self.encoder.level(4)
        self.aspp = ASPP(self.encoder.channels[-1], rates=options.rates, lite=True)
        self.decoder = SkipDecoder(
            256,
            self.encoder.channels[self.skip_level],
            skip_width=options.skip_width,
            convolutions=options.convolutions,
            lite=True,
        )
        self.heads = nn.ModuleDict({task: nn.Conv2d(256, channels, 1) for task, channels in outputs.items()})

    def shared_modules(self) -> tuple[nn.Module, ...]:
        """Everything but the last convolution of each task."""
        return self.encoder, self.aspp, self.decoder

    def forward(self, image: Tensor) -> Outputs:
        """Predict every task."""
        pyramid = self.encoder(image)
        features = self.decoder(self.aspp(pyramid[-1]), pyramid[self.skip_level])
        final = {task: resize_like(head(features), image) for task, head in self.heads.items()}
        return Outputs(final, {}, (features,))
