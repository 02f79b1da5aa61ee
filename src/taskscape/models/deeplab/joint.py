"""DeepLabV3+ whose tasks share everything except their last convolution."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch.nn.functional as F
from torch import Tensor, nn
from typing_extensions import override

from taskscape.models.deeplab.shared_trunk import SharedTrunk
from taskscape.models.layers.aspp import ASPP
from taskscape.models.layers.encoder import AtrousConfig, Encoder
from taskscape.models.layers.heads import heads
from taskscape.models.layers.skip_decoder import SkipDecoder
from taskscape.models.layers.squeeze_excite import SqueezeExcitation
from taskscape.serialization.ranges import Count, Positive


@dataclass(frozen=True)
class DeeplabJointConfig(AtrousConfig):
    """One encoder, one ASPP and one decoder for all tasks.

    26,716,084 parameters for 19 classes and depth with a ResNet-34. For (B, 3, H, W) images the shared features are
    (B, width, ⌈H/4⌉, ⌈W/4⌉)::

        >>> import torch
        >>> from taskscape.models import DeeplabJoint
        >>> network = DeeplabJoint({"semseg": 19, "depth": 1}, encoder="resnet18", width=64)
        >>> outputs = network(torch.rand(2, 3, 64, 128))
        >>> {task: tuple(raw.shape) for task, raw in outputs.final.items()}
        {'semseg': (2, 19, 64, 128), 'depth': (2, 1, 64, 128)}
        >>> [tuple(features.shape) for features in outputs.shared]
        [(2, 64, 16, 32)]
    """

    name: ClassVar[str] = "deeplab-joint"
    paper: ClassVar[str] = "Chen et al., ECCV 2018 (DeepLabV3+)"
    link: ClassVar[str] = "https://arxiv.org/abs/1802.02611"

    bottleneck_se: bool = False
    """Apply squeeze-and-excitation to the encoder's last feature map."""
    width: Count = 256
    """Channels of the ASPP and the decoder."""
    fine_skip: bool = False
    """Add a second decoder step with a skip at stride 2 and half the width, for finer outlines in small images."""
    coarsest: Literal[8, 16, 32] = 32
    """Stride of the encoder's coarsest level. Stages at a larger stride are dropped; small images have few pixels
    there."""
    zoom: Positive = 1.0
    """Factor by which the image is enlarged for the encoder, to detect small objects. Outputs keep the size of the
    image; time and memory grow with the square of the factor."""

    @override
    def build_encoder(self, output_stride: int = 32, coarsest: int = 32) -> Encoder:
        return super().build_encoder(output_stride, min(coarsest, self.coarsest))


class DeeplabJoint(SharedTrunk, config=DeeplabJointConfig):
    """Encoder → ASPP → decoder with a skip at stride 4 (and 2) → 1×1 convolution per task → bilinear to the image."""

    def __init__(
        self, out_channels: Mapping[str, int], config: DeeplabJointConfig | None = None, **options: Any
    ) -> None:
        super().__init__(out_channels)
        config = DeeplabJointConfig.of(config, options)
        self.zoom = config.zoom
        self.encoder = config.build_encoder(config.output_stride)
        self.skip_level = self.encoder.level(4)
        deep = self.encoder.channels[-1]
        self.bottleneck = SqueezeExcitation(deep) if config.bottleneck_se else nn.Identity()
        width = config.width
        self.aspp = ASPP(deep, width, config.rates)
        self.decoder = SkipDecoder(width, self.encoder.channels[self.skip_level], width)
        self.fine_level: int | None = None
        if config.fine_skip:
            self.fine_level = self.encoder.level(2)
            skip = self.encoder.channels[self.fine_level]
            self.refine = SkipDecoder(width, skip, width // 2, skip_width=24, convolutions=1)
            width //= 2
        self.heads = heads(width, out_channels)

    @override
    def shared_modules(self) -> tuple[nn.Module, ...]:
        fine = () if self.fine_level is None else (self.refine,)
        return self.encoder, self.bottleneck, self.aspp, self.decoder, *fine

    @override
    def features(self, image: Tensor) -> Tensor:
        if self.zoom != 1:
            image = F.interpolate(image, scale_factor=self.zoom, mode="bilinear", align_corners=False)
        pyramid = self.encoder(image)
        context = self.aspp(self.bottleneck(pyramid[-1]))
        features: Tensor = self.decoder(context, pyramid[self.skip_level])
        if self.fine_level is not None:
            features = self.refine(features, pyramid[self.fine_level])
        return features
