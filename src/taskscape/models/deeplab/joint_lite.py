"""DeepLabV3+ with everything shared and a small encoder; some convolutions have biases instead of norms."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor, nn
from typing_extensions import override

from taskscape.models.deeplab.lite import LiteConfig
from taskscape.models.deeplab.shared_trunk import SharedTrunk
from taskscape.models.layers.aspp import ASPP
from taskscape.models.layers.heads import heads
from taskscape.models.layers.skip_decoder import SkipDecoder


@dataclass(frozen=True)
class DeeplabJointLiteConfig(LiteConfig):
    """One encoder, one ASPP and one decoder for all tasks; the ASPP and the skip end in plain convolutions.

    16,608,132 parameters for 19 classes and depth. The shared features are (B, 256, ⌈H/4⌉, ⌈W/4⌉).
    """

    name: ClassVar[str] = "deeplab-joint-lite"
    paper: ClassVar[str] = "Chen et al., ECCV 2018 (DeepLabV3+), convolutions with biases"
    link: ClassVar[str] = "https://arxiv.org/abs/1802.02611"


class DeeplabJointLite(SharedTrunk, config=DeeplabJointLiteConfig):
    """Encoder → ASPP → decoder with a skip at stride 4 → 1×1 convolution per task → bilinear to the image."""

    def __init__(
        self, out_channels: Mapping[str, int], config: DeeplabJointLiteConfig | None = None, **options: Any
    ) -> None:
        super().__init__(out_channels)
        config = DeeplabJointLiteConfig.of(config, options)
        self.encoder = config.build_encoder(config.output_stride)
        self.skip_level = self.encoder.level(4)
        self.aspp = ASPP(self.encoder.channels[-1], rates=config.rates, lite=True)
        skip = self.encoder.channels[self.skip_level]
        self.decoder = SkipDecoder(256, skip, skip_width=config.skip_width, convolutions=config.convolutions, lite=True)
        self.heads = heads(256, out_channels)

    @override
    def shared_modules(self) -> tuple[nn.Module, ...]:
        return self.encoder, self.aspp, self.decoder

    @override
    def features(self, image: Tensor) -> Tensor:
        pyramid = self.encoder(image)
        features: Tensor = self.decoder(self.aspp(pyramid[-1]), pyramid[self.skip_level])
        return features
