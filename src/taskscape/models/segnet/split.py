"""SegNet shared by all tasks except for their heads."""

from dataclasses import dataclass
from typing import ClassVar

from taskscape.models.segnet.shared_trunk import SharedTrunk, SplitConfig


@dataclass(frozen=True)
class SegnetSplitConfig(SplitConfig):
    """One trunk for all tasks, split at its last feature map.

    25,055,185 parameters for 13 classes, depth and normals. The shared features are the trunk's last feature map,
    (B, 64, H, W).
    """

    name: ClassVar[str] = "segnet-split"
    paper: ClassVar[str] = "Liu et al., CVPR 2019 (split, standard)"
    link: ClassVar[str] = "https://arxiv.org/abs/1803.10704"


class SegnetSplit(SharedTrunk, config=SegnetSplitConfig):
    """Trunk → head per task."""
