"""SegNet for one task: the baseline to which every form of sharing is compared."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor, nn
from typing_extensions import override

from taskscape.models.base import Outputs
from taskscape.models.segnet.head import Head
from taskscape.models.segnet.stages import SegnetConfig, initialize
from taskscape.models.segnet.trunk import SegnetTrunk
from taskscape.models.unshared import Unshared


@dataclass(frozen=True)
class SegnetSingleConfig(SegnetConfig):
    """A complete SegNet per task; nothing is shared.

    24,980,289 parameters for depth alone.
    """

    name: ClassVar[str] = "segnet-single"
    paper: ClassVar[str] = "Badrinarayanan et al., PAMI 2017 (SegNet)"
    link: ClassVar[str] = "https://arxiv.org/abs/1511.00561"


class SegnetSingle(Unshared, config=SegnetSingleConfig):
    """For each task: trunk → head. With several tasks these are single-task baselines trained side by side."""

    def __init__(
        self, out_channels: Mapping[str, int], config: SegnetSingleConfig | None = None, **options: Any
    ) -> None:
        super().__init__(out_channels)
        widths = SegnetSingleConfig.of(config, options).widths
        self.branches = nn.ModuleDict(
            {
                task: nn.Sequential(SegnetTrunk(widths), Head(widths[0], channels))
                for task, channels in out_channels.items()
            }
        )
        initialize(self, nn.init.xavier_normal_)

    @override
    def layers_by_task(self) -> tuple[nn.ModuleDict, ...]:
        return (self.branches,)

    @override
    def forward(self, image: Tensor) -> Outputs:
        return Outputs({task: branch(image) for task, branch in self.branches.items()}, {}, ())
