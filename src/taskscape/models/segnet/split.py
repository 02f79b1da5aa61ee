"""SegNet shared by all tasks up to their heads, in three sizes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn

from taskscape.models.base import Network, NetworkConfig, Outputs
from taskscape.models.segnet.blocks import WIDTHS, SegnetTrunk, head, initialise


@dataclass(frozen=True)
class SegnetSplitConfig(NetworkConfig):
    """One trunk for all tasks, split at its last feature."""

    name: ClassVar[str] = "segnet-split"
    paper: ClassVar[str] = "Liu et al., CVPR 2019 (split, standard)"

    widths: tuple[int, ...] = WIDTHS
    """Channels of each stage; the image is halved as often as there are stages."""
    repeat: int = 1
    """Convolutions in place of each one of SegNet."""

    def build(self, outputs: Mapping[str, int]) -> Network:
        """Build the network."""
        return SegnetSplit(outputs, self)


@dataclass(frozen=True)
class SegnetSplitDeepConfig(SegnetSplitConfig):
    """The split network with twice the convolutions."""

    name: ClassVar[str] = "segnet-split-deep"
    paper: ClassVar[str] = "Liu et al., CVPR 2019 (split, deep)"

    repeat: int = 2


@dataclass(frozen=True)
class SegnetSplitWideConfig(SegnetSplitConfig):
    """The split network with a wider last stage."""

    name: ClassVar[str] = "segnet-split-wide"
    paper: ClassVar[str] = "Liu et al., CVPR 2019 (split, wide)"

    widths: tuple[int, ...] = (64, 128, 256, 512, 1024)


class SegnetSplit(Network):
    """Trunk → head per task."""

    def __init__(self, outputs: Mapping[str, int], options: SegnetSplitConfig) -> None:
        super().__init__(outputs)
        self.trunk = SegnetTrunk(options.widths, options.repeat)
        self.heads = nn.ModuleDict({task: head(options.widths[0], channels) for task, channels in outputs.items()})
        initialise(self, nn.init.xavier_normal_)

    def shared_modules(self) -> tuple[nn.Module, ...]:
        """The trunk."""
        return (self.trunk,)

    def forward(self, image: Tensor) -> Outputs:
        """Predict every task."""
        features = self.trunk(image)
        return Outputs({task: head(features) for task, head in self.heads.items()}, {}, (features,))
