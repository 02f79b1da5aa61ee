"""PAD-Net on DeepLabV3+: each task predicts twice, the second time with messages from the other tasks' features."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor, nn
from typing_extensions import override

from taskscape.models.deeplab.distillation import Distillation
from taskscape.models.layers.encoder import AtrousConfig
from taskscape.models.layers.message_passing import message_passing
from taskscape.models.layers.skip_decoder import SkipDecoder


@dataclass(frozen=True)
class DeeplabDistillConfig(AtrousConfig):
    """A branch per task, followed by a second decoder that also reads gated features of all other tasks.

    A single task predicts once. 37,095,656 parameters for 19 classes and depth with a ResNet-34. The first predictions
    for (B, 3, H, W) images are supervised too::

        >>> import torch
        >>> from taskscape.models import DeeplabDistill
        >>> network = DeeplabDistill({"semseg": 19, "depth": 1}, encoder="resnet18")
        >>> outputs = network(torch.rand(2, 3, 64, 128))
        >>> [tuple(raw.shape) for raw in (outputs.final["depth"], outputs.auxiliary["initial"]["depth"])]
        [(2, 1, 64, 128), (2, 1, 64, 128)]
    """

    name: ClassVar[str] = "deeplab-distill"
    paper: ClassVar[str] = "Xu et al., CVPR 2018 (PAD-Net), on DeepLabV3+"
    link: ClassVar[str] = "https://arxiv.org/abs/1805.04409"


class DeeplabDistill(Distillation, config=DeeplabDistillConfig):
    """Encoder → for each task: ASPP → decoder → first prediction; messages of other tasks → decoder → prediction."""

    def __init__(
        self, out_channels: Mapping[str, int], config: DeeplabDistillConfig | None = None, **options: Any
    ) -> None:
        config = DeeplabDistillConfig.of(config, options)
        super().__init__(out_channels, config, (4,), 256, lambda skips: SkipDecoder(256, skips[0]))
        if len(out_channels) > 1:
            self.messages = message_passing(256, list(out_channels))
            self.add_decoders(dict.fromkeys(out_channels, 256), lambda skips, width: SkipDecoder(256, skips[0], width))

    @property
    @override
    def exchanges(self) -> nn.ModuleDict:
        return self.messages

    @override
    def exchange(self, features: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {task: features[task] + message(features) for task, message in self.messages.items()}
