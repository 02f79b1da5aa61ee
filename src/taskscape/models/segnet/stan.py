"""The single-task attention network, which isolates the effect of attention without a second task."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor, nn
from typing_extensions import override

from taskscape.models.base import Outputs
from taskscape.models.layers.per_task import PerTask
from taskscape.models.segnet.attended_trunk import AttendedTrunk
from taskscape.models.segnet.head import Head
from taskscape.models.segnet.stages import SegnetConfig, initialize
from taskscape.models.unshared import Unshared


@dataclass(frozen=True)
class SegnetStanConfig(SegnetConfig):
    """A complete SegNet with attention per task; nothing is shared.

    38,185,025 parameters for depth alone.
    """

    name: ClassVar[str] = "segnet-stan"
    paper: ClassVar[str] = "Liu et al., CVPR 2019 (STAN)"
    link: ClassVar[str] = "https://arxiv.org/abs/1803.10704"


class SegnetStan(Unshared, config=SegnetStanConfig):
    """For each task: trunk with attention → head. Several tasks are trained in parallel."""

    def __init__(self, out_channels: Mapping[str, int], config: SegnetStanConfig | None = None, **options: Any) -> None:
        super().__init__(out_channels)
        widths = SegnetStanConfig.of(config, options).widths
        self.trunks = nn.ModuleDict({task: AttendedTrunk([task], widths) for task in out_channels})
        self.heads = PerTask({task: Head(widths[0], channels) for task, channels in out_channels.items()})
        initialize(self, nn.init.xavier_normal_)

    @override
    def layers_by_task(self) -> tuple[nn.ModuleDict, ...]:
        return self.trunks, self.heads

    @override
    def forward(self, image: Tensor) -> Outputs:
        features = {task: trunk(image)[task] for task, trunk in self.trunks.items()}
        return Outputs(self.heads(features), {}, ())
