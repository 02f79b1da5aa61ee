"""Networks, by name: ``build("deeplab-joint", {"semseg": 19, "depth": 1}, encoder="resnet18")``."""

import difflib
from collections.abc import Mapping
from typing import Any

from taskscape.models.bins.adaptive_depth import AdaptiveDepthConfig
from taskscape.models.bins.cross_attention import CrossAttentionConfig
from taskscape.models.deeplab.branched import DeeplabBranchedConfig
from taskscape.models.deeplab.branched_lite import DeeplabBranchedLiteConfig
from taskscape.models.deeplab.distill import DeeplabDistillConfig
from taskscape.models.deeplab.distill_se import DeeplabDistillSEConfig
from taskscape.models.deeplab.distill_up import DeeplabDistillUpConfig
from taskscape.models.deeplab.fully_branched import DeeplabFullyBranchedConfig
from taskscape.models.deeplab.joint import DeeplabJointConfig
from taskscape.models.deeplab.joint_lite import DeeplabJointLiteConfig
from taskscape.models.deeplab.plain import DeeplabPlainConfig
from taskscape.models.deeplab.skip_fusion import DeeplabSkipFusionConfig
from taskscape.models.layers.encoder import EncoderConfig
from taskscape.models.base import Network, NetworkConfig, Outputs
from taskscape.models.resnet_mtan import ResnetMtanConfig
from taskscape.models.segnet.cross_stitch import SegnetCrossStitchConfig
from taskscape.models.segnet.dense import SegnetDenseConfig
from taskscape.models.segnet.mtan import SegnetMtanConfig
from taskscape.models.segnet.single import SegnetSingleConfig
from taskscape.models.segnet.split import SegnetSplitConfig, SegnetSplitDeepConfig, SegnetSplitWideConfig
from taskscape.models.segnet.stan import SegnetStanConfig
from taskscape.models.bins.transformer import TransformerConfig
from taskscape.models.xtask import XTaskConfig

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
    "EncoderConfig",
    "Network",
    "NetworkConfig",
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

OPTIONS: dict[str, type[NetworkConfig]] = {
    options.name: options
    for options in (
        SegnetSingleConfig,
        SegnetStanConfig,
        SegnetSplitConfig,
        SegnetSplitDeepConfig,
        SegnetSplitWideConfig,
        SegnetCrossStitchConfig,
        SegnetDenseConfig,
        SegnetMtanConfig,
        ResnetMtanConfig,
        DeeplabPlainConfig,
        DeeplabJointConfig,
        DeeplabBranchedConfig,
        DeeplabFullyBranchedConfig,
        DeeplabDistillConfig,
        DeeplabDistillUpConfig,
        DeeplabDistillSEConfig,
        DeeplabSkipFusionConfig,
        DeeplabJointLiteConfig,
        DeeplabBranchedLiteConfig,
        AdaptiveDepthConfig,
        TransformerConfig,
        CrossAttentionConfig,
        XTaskConfig,
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
