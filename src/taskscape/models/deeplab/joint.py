"""DeepLabV3+ with everything shared by the tasks but their last convolution."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn

from taskscape.models.layers.blocks import ASPP, SkipDecoder, SqueezeExcitation, resize_like
from taskscape.models.layers.encoder import AtrousConfig, Encoder
from taskscape.models.base import Network, Outputs


@dataclass(frozen=True)
class DeeplabJointConfig(AtrousConfig):
    """One encoder, one ASPP and one decoder for all tasks."""

    name: ClassVar[str] = "deeplab-joint"
    paper: ClassVar[str] = "Chen et al., ECCV 2018 (DeepLabV3+)"

    bottleneck_se: bool = False
    """Squeeze-and-excitation on the encoder's last feature."""
    width: int = 256
    """Channels of the ASPP and the decoder."""
    fine_skip: bool = False
    """A second decoder step with a skip at stride 2, half as wide: finer outlines, which small images need."""

    def build(self, outputs: Mapping[str, int]) -> Network:
        """Build the network."""
        return DeeplabJoint(outputs, self)


class DeeplabJoint(Network):
    """Encoder → ASPP → decoder with a skip at stride 4 (and 2) → 1×1 convolution per task → bilinear to the image."""

    def __init__(self, outputs: Mapping[str, int], options: DeeplabJointConfig) -> None:
        super().__init__(outputs)
        self.encoder = Encoder(options.encoder, options.output_stride, options.pretrained)
        self.skip_level = self.encoder.level(4)
        deep = self.encoder.channels[-1]
        self.bottleneck = SqueezeExcitation(deep) if options.bottleneck_se else nn.Identity()
        width = options.width
        self.aspp = ASPP(deep, width, options.rates)
        self.decoder = SkipDecoder(width, self.encoder.channels[self.skip_level], width)
        self.fine_level: int | None = None
        if options.fine_skip:
            self.fine_level = self.encoder.level(2)
            skip = self.encoder.channels[self.fine_level]
            self.refine = SkipDecoder(width, skip, width // 2, skip_width=24, convolutions=1)
            width //= 2
        self.heads = nn.ModuleDict({task: nn.Conv2d(width, channels, 1) for task, channels in outputs.items()})

    def shared_modules(self) -> tuple[nn.Module, ...]:
        """Everything but the last convolution of each task."""
        fine = () if self.fine_level is None else (self.refine,)
        return self.encoder, self.bottleneck, self.aspp, self.decoder, *fine

    def forward(self, image: Tensor) -> Outputs:
        """Predict every task."""
        pyramid = self.encoder(image)
        context = self.aspp(self.bottleneck(pyramid[-1]))
        features = self.decoder(context, pyramid[self.skip_level])
        if self.fine_level is not None:
            features = self.refine(features, pyramid[self.fine_level])
        final = {task: resize_like(head(features), image) for task, head in self.heads.items()}
        return Outputs(final, {}, (features,))
