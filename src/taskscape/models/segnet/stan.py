"""The single-task attention network: what attention alone is worth, without a second task."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn

from taskscape.models.layers.blocks import PerTask
from taskscape.models.base import Network, NetworkConfig, Outputs
from taskscape.models.segnet.attention import AttendedTrunk
from taskscape.models.segnet.blocks import WIDTHS, head, initialise


@dataclass(frozen=True)
class SegnetStanConfig(NetworkConfig):
    """A complete SegNet with attention for each task; nothing is shared."""

    name: ClassVar[str] = "segnet-stan"
    paper: ClassVar[str] = "Liu et al., CVPR 2019 (STAN)"

    widths: tuple[int, ...] = WIDTHS
    """Channels of each stage; the image is halved as often as there are stages."""

    def build(self, outputs: Mapping[str, int]) -> Network:
        """Build the network."""
        return SegnetStan(outputs, self)


class SegnetStan(Network):
    """For each task: trunk with attention → head. With several tasks these are trained side by side."""

    def __init__(self, outputs: Mapping[str, int], options: SegnetStanConfig) -> None:
        super().__init__(outputs)
        self.trunks = nn.ModuleDict({task: AttendedTrunk([task], options.widths) for task in outputs})
        self.heads = PerTask({task: head(options.widths[0], channels) for task, channels in outputs.items()})
        initialise(self, nn.init.xavier_normal_)

    def shared_modules(self) -> tuple[nn.Module, ...]:
        """Nothing."""
        return ()

    def forward(self, image: Tensor) -> Outputs:
        """Predict every task."""
        features = {task: trunk(image)[task] for task, trunk in self.trunks.items()}
        return Outputs(self.heads(features), {}, ())
