"""DeepLabV3+ with a branch per task and a small encoder; some convolutions have biases instead of norms."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor, nn
from typing_extensions import override

from taskscape.models.branches import SharedEncoder
from taskscape.models.deeplab.lite import LiteConfig
from taskscape.models.layers.branch import Branch


@dataclass(frozen=True)
class DeeplabBranchedLiteConfig(LiteConfig):
    """One encoder for all tasks, an ASPP and a decoder per task; ASPPs and skips end in plain convolutions.

    22,034,612 parameters for 19 classes and depth. The shared features are the encoder's feature maps at stride 4 and
    at its last level.
    """

    name: ClassVar[str] = "deeplab-branched-lite"
    paper: ClassVar[str] = "Chen et al., ECCV 2018 (DeepLabV3+), a branch per task, convolutions with biases"
    link: ClassVar[str] = "https://arxiv.org/abs/1802.02611"


class DeeplabBranchedLite(SharedEncoder, config=DeeplabBranchedLiteConfig):
    """Encoder → for each task: ASPP → decoder with a skip at stride 4 → bilinear to the image."""

    def __init__(
        self, out_channels: Mapping[str, int], config: DeeplabBranchedLiteConfig | None = None, **options: Any
    ) -> None:
        super().__init__(out_channels)
        config = DeeplabBranchedLiteConfig.of(config, options)
        self.encoder = config.build_encoder(config.output_stride)
        self.skip_level = self.encoder.level(4)
        deep, skip = self.encoder.channels[-1], self.encoder.channels[self.skip_level]
        self.branches = nn.ModuleDict(
            {
                task: Branch(deep, skip, channels, config.rates, config.skip_width, config.convolutions, lite=True)
                for task, channels in out_channels.items()
            }
        )

    @override
    def read(self, pyramid: Sequence[Tensor]) -> tuple[Tensor, ...]:
        return pyramid[self.skip_level], pyramid[-1]
