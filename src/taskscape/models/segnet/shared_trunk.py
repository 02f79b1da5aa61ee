"""Base class of the split networks: one SegNet for all tasks, split at its last feature map."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor, nn
from typing_extensions import override

from taskscape.models.base import Network, Outputs
from taskscape.models.segnet.head import Head
from taskscape.models.segnet.stages import SegnetConfig, initialize
from taskscape.models.segnet.trunk import SegnetTrunk
from taskscape.serialization.ranges import Count


@dataclass(frozen=True)
class SplitConfig(SegnetConfig):
    """The settings of the split networks."""

    repeat: Count = 1
    """Number of convolutions that replace each convolution of SegNet."""


class SharedTrunk(Network):
    """Trunk → head per task."""

    config_class: ClassVar[type[SplitConfig]]

    def __init__(self, out_channels: Mapping[str, int], config: SplitConfig | None = None, **options: Any) -> None:
        super().__init__(out_channels)
        config = self.config_class.of(config, options)
        self.trunk = SegnetTrunk(config.widths, config.repeat)
        self.heads = nn.ModuleDict({task: Head(config.widths[0], n) for task, n in out_channels.items()})
        initialize(self, nn.init.xavier_normal_)

    @override
    def shared_modules(self) -> tuple[nn.Module, ...]:
        return (self.trunk,)

    @override
    def layers_by_task(self) -> tuple[nn.ModuleDict, ...]:
        return (self.heads,)

    @override
    def forward(self, image: Tensor) -> Outputs:
        features = self.trunk(image)
        return Outputs({task: head(features) for task, head in self.heads.items()}, {}, (features,))
