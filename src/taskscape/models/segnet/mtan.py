"""The multi-task attention network: one SegNet, from whose features each task selects its own."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn

from taskscape.models.layers.blocks import PerTask
from taskscape.models.base import Network, NetworkConfig, Outputs
from taskscape.models.segnet.attention import AttendedTrunk
from taskscape.models.segnet.blocks import WIDTHS, head, initialise


@dataclass(frozen=True)
class SegnetMtanConfig(NetworkConfig):
    """One trunk for all tasks, and attention masks for each."""

    name: ClassVar[str] = "segnet-mtan"
    paper: ClassVar[str] = "Liu et al., CVPR 2019 (MTAN)"

    widths: tuple[int, ...] = WIDTHS
    """Channels of each stage; the image is halved as often as there are stages."""

    def build(self, outputs: Mapping[str, int]) -> Network:
        """Build the network."""
        return SegnetMtan(outputs, self)


class SegnetMtan(Network):
    """Trunk → for each task: attention over every stage → head."""

    def __init__(self, outputs: Mapping[str, int], options: SegnetMtanConfig) -> None:
        super().__init__(outputs)
        self.trunk = AttendedTrunk(outputs, options.widths)
        self.heads = PerTask({task: head(options.widths[0], channels) for task, channels in outputs.items()})
        initialise(self, nn.init.xavier_normal_)

    def shared_modules(self) -> tuple[nn.Module, ...]:
        """The trunk and the convolutions that all tasks' attended features pass."""
        return self.trunk.shared_modules()

    def forward(self, image: Tensor) -> Outputs:
        """Predict every task."""
        return Outputs(self.heads(self.trunk(image)), {}, ())
