"""The plain joint network: an encoder and a small head, without skips."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch.nn.functional as F
from torch import Tensor, nn
from typing_extensions import override

from taskscape.models.deeplab.shared_trunk import SharedTrunk
from taskscape.models.layers.conv import conv_norm_relu
from taskscape.models.layers.encoder import DilatedConfig
from taskscape.models.layers.heads import heads


@dataclass(frozen=True)
class DeeplabPlainConfig(DilatedConfig):
    """Encoder, one 1×1 convolution and bilinear upsampling: the first step of the DeepLab ladder."""

    name: ClassVar[str] = "deeplab-plain"
    paper: ClassVar[str] = "baseline of the DeepLabV3+ ladder"
    link: ClassVar[str] = "https://arxiv.org/abs/1802.02611"


class DeeplabPlain(SharedTrunk, config=DeeplabPlainConfig):
    """Encoder → 1×1 convolution to 256 → bilinear to stride 4 → 1×1 convolution per task → bilinear to the image."""

    def __init__(
        self, out_channels: Mapping[str, int], config: DeeplabPlainConfig | None = None, **options: Any
    ) -> None:
        super().__init__(out_channels)
        config = DeeplabPlainConfig.of(config, options)
        self.encoder = config.build_encoder(config.output_stride)
        self.project = conv_norm_relu(self.encoder.channels[-1], 256, 1)
        self.heads = heads(256, out_channels)

    @override
    def shared_modules(self) -> tuple[nn.Module, ...]:
        return self.encoder, self.project

    @override
    def features(self, image: Tensor) -> Tensor:
        # Rounded up without -(-side // 4): ONNX rounds the division of negative numbers differently.
        quarter = [(side + 3) // 4 for side in image.shape[-2:]]
        context = self.project(self.encoder(image)[-1])
        return F.interpolate(context, size=quarter, mode="bilinear", align_corners=False)
