"""DeepLabV3+ with everything shared by the tasks but their last convolution."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn

from taskscape.models.blocks import ASPP, SkipDecoder, SqueezeExcitation, resize_like
from taskscape.models.encoder import AtrousOptions, Encoder
from taskscape.models.outputs import Network, Outputs


@dataclass(frozen=True)
class DeeplabJoint(AtrousOptions):
    """One encoder, one ASPP and one decoder for all tasks."""

    name: ClassVar[str] = "deeplab-joint"
    paper: ClassVar[str] = "Chen et al., ECCV 2018 (DeepLabV3+)"

    bottleneck_se: bool = False
    """Squeeze-and-excitation on the encoder's last feature."""
    width: int = 256
    """Channels of the ASPP and the decoder; half of it doubles the speed on small images."""

    def build(self, outputs: Mapping[str, int]) -> Network:
        """Build the network."""
        return DeeplabJointNetwork(outputs, self)


class DeeplabJointNetwork(Network):
    """Encoder → ASPP → decoder with a skip at stride 4 → 1×1 convolution per task → bilinear to the image."""

    def __init__(self, outputs: Mapping[str, int], options: DeeplabJoint) -> None:
        super().__init__(outputs)
        self.encoder = Encoder(options.encoder, options.output_stride, options.pretrained)
        self.skip_level = self.encoder.level(4)
        deep = self.encoder.channels[-1]
        self.bottleneck = SqueezeExcitation(deep) if options.bottleneck_se else nn.Identity()
        self.aspp = ASPP(deep, options.width, options.rates)
        self.decoder = SkipDecoder(options.width, self.encoder.channels[self.skip_level], options.width)
        self.heads = nn.ModuleDict({task: nn.Conv2d(options.width, channels, 1) for task, channels in outputs.items()})

    def shared_modules(self) -> tuple[nn.Module, ...]:
        """Everything but the last convolution of each task."""
        return self.encoder, self.bottleneck, self.aspp, self.decoder

    def forward(self, image: Tensor) -> Outputs:
        """Predict every task."""
        pyramid = self.encoder(image)
        context = self.aspp(self.bottleneck(pyramid[-1]))
        features = self.decoder(context, pyramid[self.skip_level])
        final = {task: resize_like(head(features), image) for task, head in self.heads.items()}
        return Outputs(final, {}, (features,))
