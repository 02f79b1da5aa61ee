"""SegNet with a wider last stage, shared by all tasks except for their heads."""

from dataclasses import dataclass
from typing import ClassVar

from taskscape.models.segnet.shared_trunk import SharedTrunk, SplitConfig
from taskscape.serialization.ranges import Count


@dataclass(frozen=True)
class SegnetSplitWideConfig(SplitConfig):
    """The split network with a wider last stage.

    43,934,161 parameters for 13 classes, depth and normals. The shared features are the trunk's last feature map,
    (B, 64, H, W).
    """

    name: ClassVar[str] = "segnet-split-wide"
    paper: ClassVar[str] = "Liu et al., CVPR 2019 (split, wide)"
    link: ClassVar[str] = "https://arxiv.org/abs/1803.10704"

    widths: tuple[Count, ...] = (64, 128, 256, 512, 1024)
    """Channels of each stage; each stage halves the resolution."""


class SegnetSplitWide(SharedTrunk, config=SegnetSplitWideConfig):
    """Trunk → head per task."""
