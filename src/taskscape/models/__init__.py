"""Networks, by name: ``build("deeplab-joint", {"semseg": 19, "depth": 1}, encoder="resnet18")``."""

import difflib
from collections.abc import Mapping
from typing import Any

from taskscape.models.adaptive_depth import AdaptiveDepth
from taskscape.models.cross_attention import CrossAttention
from taskscape.models.deeplab_branched import DeeplabBranched
from taskscape.models.deeplab_branched_lite import DeeplabBranchedLite
from taskscape.models.deeplab_distill import DeeplabDistill
from taskscape.models.deeplab_distill_se import DeeplabDistillSE
from taskscape.models.deeplab_distill_up import DeeplabDistillUp
from taskscape.models.deeplab_fully_branched import DeeplabFullyBranched
from taskscape.models.deeplab_joint import DeeplabJoint
from taskscape.models.deeplab_joint_lite import DeeplabJointLite
from taskscape.models.deeplab_plain import DeeplabPlain
from taskscape.models.deeplab_skip_fusion import DeeplabSkipFusion
from taskscape.models.encoder import EncoderOptions
from taskscape.models.outputs import Network, NetworkOptions, Outputs
from taskscape.models.resnet_mtan import ResnetMtan
from taskscape.models.segnet_cross_stitch import SegnetCrossStitch
from taskscape.models.segnet_dense import SegnetDense
from taskscape.models.segnet_mtan import SegnetMtan
from taskscape.models.segnet_single import SegnetSingle
from taskscape.models.segnet_split import SegnetSplit, SegnetSplitDeep, SegnetSplitWide
from taskscape.models.segnet_stan import SegnetStan
from taskscape.models.transformer import Transformer
from taskscape.models.xtask import XTask

__all__ = [
    "NAMES",
    "OPTIONS",
    "AdaptiveDepth",
    "CrossAttention",
    "DeeplabBranched",
    "DeeplabBranchedLite",
    "DeeplabDistill",
    "DeeplabDistillSE",
    "DeeplabDistillUp",
    "DeeplabFullyBranched",
    "DeeplabJoint",
    "DeeplabJointLite",
    "DeeplabPlain",
    "DeeplabSkipFusion",
    "EncoderOptions",
    "Network",
    "NetworkOptions",
    "Outputs",
    "ResnetMtan",
    "SegnetCrossStitch",
    "SegnetDense",
    "SegnetMtan",
    "SegnetSingle",
    "SegnetSplit",
    "SegnetSplitDeep",
    "SegnetSplitWide",
    "SegnetStan",
    "Transformer",
    "XTask",
    "build",
]

OPTIONS: dict[str, type[NetworkOptions]] = {
    options.name: options
    for options in (
        SegnetSingle,
        SegnetStan,
        SegnetSplit,
        SegnetSplitDeep,
        SegnetSplitWide,
        SegnetCrossStitch,
        SegnetDense,
        SegnetMtan,
        ResnetMtan,
        DeeplabPlain,
        DeeplabJoint,
        DeeplabBranched,
        DeeplabFullyBranched,
        DeeplabDistill,
        DeeplabDistillUp,
        DeeplabDistillSE,
        DeeplabSkipFusion,
        DeeplabJointLite,
        DeeplabBranchedLite,
        AdaptiveDepth,
        Transformer,
        CrossAttention,
        XTask,
    )
}
"""The options of every network, by its name."""

NAMES = tuple(OPTIONS)
"""The names that ``build`` knows."""


def build(name: str, outputs: Mapping[str, int], **options: Any) -> Network:
    """Build a network by its name.

    ``outputs`` gives the channels per task, such as ``{"semseg": 19, "depth": 1, "normals": 3}``; ``options`` are the
    fields of the network's options. Raises ``ValueError`` for an unknown name and ``TypeError`` for an unknown option.
    """
    if name not in OPTIONS:
        near = difflib.get_close_matches(name, NAMES, n=1)
        hint = f"; did you mean {near[0]}?" if near else f"; there are {', '.join(NAMES)}"
        raise ValueError(f"there is no network {name!r}{hint}")
    return OPTIONS[name](**options).build(outputs)
