"""SegNet of twice the depth, shared by all tasks except for their heads."""

from dataclasses import dataclass
from typing import ClassVar

from taskscape.models.segnet.shared_trunk import SharedTrunk, SplitConfig
from taskscape.serialization.ranges import Count


@dataclass(frozen=True)
class SegnetSplitDeepConfig(SplitConfig):
    """The split network with twice as many convolutions.

    50,807,761 parameters for 13 classes, depth and normals. The shared features are the trunk's last feature map,
    (B, 64, H, W).
    """

    name: ClassVar[str] = "segnet-split-deep"
    paper: ClassVar[str] = "Liu et al., CVPR 2019 (split, deep)"
    link: ClassVar[str] = "https://arxiv.org/abs/1803.10704"

    repeat: Count = 2
    """Number of convolutions that replace each convolution of SegNet."""


class SegnetSplitDeep(SharedTrunk, config=SegnetSplitDeepConfig):
    """Trunk → head per task."""
