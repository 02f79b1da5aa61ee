"""DeepLabV3+ with an ASPP and a decoder per task after a shared encoder."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor, nn
from typing_extensions import override

from taskscape.models.base import main_path
from taskscape.models.branches import SharedEncoder
from taskscape.models.layers.branch import Branch
from taskscape.models.layers.encoder import AtrousConfig
from taskscape.models.layers.squeeze_excite import SqueezeExcitation


@dataclass(frozen=True)
class DeeplabBranchedConfig(AtrousConfig):
    """One encoder for all tasks, an ASPP and a decoder per task.

    32,142,356 parameters for 19 classes and depth with a ResNet-34. The shared features are the encoder's feature maps
    at stride 4 and at its last level.
    """

    name: ClassVar[str] = "deeplab-branched"
    paper: ClassVar[str] = "Chen et al., ECCV 2018 (DeepLabV3+), a branch per task"
    link: ClassVar[str] = "https://arxiv.org/abs/1802.02611"

    bottleneck_se: bool = False
    """Apply squeeze-and-excitation to the encoder's last feature map."""


class DeeplabBranched(SharedEncoder, config=DeeplabBranchedConfig):
    """Encoder → for each task: ASPP → decoder with a skip at stride 4 → bilinear to the image."""

    def __init__(
        self, out_channels: Mapping[str, int], config: DeeplabBranchedConfig | None = None, **options: Any
    ) -> None:
        super().__init__(out_channels)
        config = DeeplabBranchedConfig.of(config, options)
        self.encoder = config.build_encoder(config.output_stride)
        self.skip_level = self.encoder.level(4)
        deep, skip = self.encoder.channels[-1], self.encoder.channels[self.skip_level]
        self.bottleneck = SqueezeExcitation(deep) if config.bottleneck_se else nn.Identity()
        self.branches = nn.ModuleDict(
            {task: Branch(deep, skip, channels, config.rates) for task, channels in out_channels.items()}
        )

    @override
    def shared_modules(self) -> tuple[nn.Module, ...]:
        return self.encoder, self.bottleneck

    @override
    def last_shared_layers(self) -> tuple[nn.Module, ...]:
        """Return the encoder's last layer: the bottleneck is a gate."""
        return tuple(main_path(self.encoder)[-1:])

    @override
    def read(self, pyramid: Sequence[Tensor]) -> tuple[Tensor, ...]:
        return pyramid[self.skip_level], self.bottleneck(pyramid[-1])
