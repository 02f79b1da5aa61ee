"""PAD-Net with decoders whose upsampling is learned, up to half the image size."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch.nn.functional as F
from torch import Tensor, nn
from typing_extensions import override

from taskscape.models.deeplab.distillation import Distillation
from taskscape.models.layers.encoder import AtrousConfig
from taskscape.models.layers.message_passing import message_passing
from taskscape.models.layers.up_decoder import UpDecoder
from taskscape.models.layers.up_projection import Phases


@dataclass(frozen=True)
class DeeplabDistillUpConfig(AtrousConfig):
    """Task distillation with up-projections (Laina et al., 3DV 2016) in both decoders of every task.

    A single task predicts once. 41,701,288 parameters for 19 classes and depth with a ResNet-34.
    """

    name: ClassVar[str] = "deeplab-distill-up"
    paper: ClassVar[str] = "Xu et al., CVPR 2018 (PAD-Net), with the up-projections of Laina et al., 3DV 2016"
    link: ClassVar[str] = "https://arxiv.org/abs/1805.04409"

    skip_2x: bool = True
    """Add a skip from the encoder's stride 2, and use 128 instead of 256 channels at that stride."""
    phases: Phases = "interleaved"
    """How an up-projection fills the doubled grid. ``shuffled`` mixes phases and channels, as in the published
    network."""


class DeeplabDistillUp(Distillation, config=DeeplabDistillUpConfig):
    """Encoder → for each task: ASPP → decoder → first prediction; messages of other tasks → decoder → prediction."""

    def __init__(
        self, out_channels: Mapping[str, int], config: DeeplabDistillUpConfig | None = None, **options: Any
    ) -> None:
        config = DeeplabDistillUpConfig.of(config, options)
        phases = config.phases
        doublings = (config.output_stride // 4).bit_length() - 1
        strides, width = ((4, 2), 128) if config.skip_2x else ((4,), 256)
        super().__init__(
            out_channels, config, strides, width, lambda skips: UpDecoder(256, skips, width, doublings, phases)
        )
        if len(out_channels) > 1:
            self.messages = message_passing(width, list(out_channels))
            self.add_decoders(
                dict.fromkeys(out_channels, width), lambda skips, w: UpDecoder(width, skips, w, phases=phases)
            )

    @property
    @override
    def exchanges(self) -> nn.ModuleDict:
        return self.messages

    @override
    def exchange(self, features: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Exchange features at stride 4, half the resolution of the first predictions."""
        halved = {task: F.max_pool2d(x, 3, stride=2, padding=1) for task, x in features.items()}
        return {task: halved[task] + message(halved) for task, message in self.messages.items()}
