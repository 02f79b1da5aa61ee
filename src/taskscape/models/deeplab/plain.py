"""The plain joint network: an encoder and one small head, without skips."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch.nn.functional as F
from torch import Tensor, nn

from taskscape.models.layers.blocks import conv_norm_relu, resize_like
from taskscape.models.layers.encoder import DilatedConfig, Encoder
from taskscape.models.base import Network, Outputs


@dataclass(frozen=True)
class DeeplabPlainConfig(DilatedConfig):
    """Encoder, one 1×1 convolution, bilinear upsampling: where the DeepLab ladder begins."""

    name: ClassVar[str] = "deeplab-plain"
    paper: ClassVar[str] = "baseline of the DeepLabV3+ ladder"

    def build(self, outputs: Mapping[str, int]) -> Network:
        """Build the network."""
        return DeeplabPlain(outputs, self)


class DeeplabPlain(Network):
    """Encoder → 1×1 convolution to 256 → bilinear to stride 4 → 1×1 convolution per task → bilinear to the image."""

    def __init__(self, outputs: Mapping[str, int], options: DeeplabPlainConfig) -> None:
        super().__init__(outputs)
        self.encoder = Encoder(options.encoder, options.output_stride, options.pretrained)
        self.project = conv_norm_relu(self.encoder.channels[-1], 256, 1)
        self.heads = nn.ModuleDict({task: nn.Conv2d(256, channels, 1) for task, channels in outputs.items()})

    def shared_modules(self) -> tuple[nn.Module, ...]:
        """Everything but the last convolution of each task."""
        return self.encoder, self.project

    def forward(self, image: Tensor) -> Outputs:
        """Predict every task."""
        quarter = [-(-side // 4) for side in image.shape[-2:]]
        context = self.project(self.encoder(image)[-1])
        features = F.interpolate(context, size=quarter, mode="bilinear", align_corners=False)
        final = {task: resize_like(head(features), image) for task, head in self.heads.items()}
        return Outputs(final, {}, (features,))
