"""SegNet for one task: the baseline that every way of sharing is measured against."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn

from taskscape.models.base import Network, NetworkConfig, Outputs
from taskscape.models.segnet.blocks import WIDTHS, SegnetTrunk, head, initialise


@dataclass(frozen=True)
class SegnetSingleConfig(NetworkConfig):
    """A complete SegNet for each task; nothing is shared."""

    name: ClassVar[str] = "segnet-single"
    paper: ClassVar[str] = "Badrinarayanan et al., PAMI 2017 (SegNet)"

    widths: tuple[int, ...] = WIDTHS
    """Channels of each stage; the image is halved as often as there are stages."""

    def build(self, outputs: Mapping[str, int]) -> Network:
        """Build the network."""
        return SegnetSingle(outputs, self)


class SegnetSingle(Network):
    """For each task: trunk → head. With several tasks these are single-task baselines trained side by side."""

    def __init__(self, outputs: Mapping[str, int], options: SegnetSingleConfig) -> None:
        super().__init__(outputs)
        self.branches = nn.ModuleDict(
            {
                task: nn.Sequential(SegnetTrunk(options.widths), head(options.widths[0], channels))
                for task, channels in outputs.items()
            }
        )
        initialise(self, nn.init.xavier_normal_)

    def shared_modules(self) -> tuple[nn.Module, ...]:
        """Nothing."""
        return ()

    def forward(self, image: Tensor) -> Outputs:
        """Predict every task."""
        return Outputs({task: branch(image) for task, branch in self.branches.items()}, {}, ())
