"""Networks, built from a class, ``DeeplabJoint({"semseg": 19, "depth": 1}, encoder="resnet18")``, or with ``build``.

    >>> import torch
    >>> from taskscape import models
    >>> network = models.build("deeplab-joint", {"semseg": 19, "depth": 1}, encoder="resnet18")
    >>> outputs = network(torch.rand(2, 3, 64, 128))
    >>> outputs.final["semseg"].shape, outputs.final["depth"].shape
    (torch.Size([2, 19, 64, 128]), torch.Size([2, 1, 64, 128]))

To add a network, write its module and add one line below that imports the network and its settings.
"""

# ruff: noqa: F401
# mypy: implicit-reexport

from collections.abc import Mapping
from typing import Any

from taskscape.models.base import Network, NetworkConfig, Outputs
from taskscape.models.layers.encoder import Encoder, EncoderConfig
from taskscape.models.layers.low_rank import merge_low_rank
from taskscape.serialization import ByName, nearest, offer

# isort: off
from taskscape.models.segnet.single import SegnetSingle, SegnetSingleConfig
from taskscape.models.segnet.stan import SegnetStan, SegnetStanConfig
from taskscape.models.segnet.split import SegnetSplit, SegnetSplitConfig
from taskscape.models.segnet.split_deep import SegnetSplitDeep, SegnetSplitDeepConfig
from taskscape.models.segnet.split_wide import SegnetSplitWide, SegnetSplitWideConfig
from taskscape.models.segnet.cross_stitch import SegnetCrossStitch, SegnetCrossStitchConfig
from taskscape.models.segnet.dense import SegnetDense, SegnetDenseConfig
from taskscape.models.segnet.mtan import SegnetMtan, SegnetMtanConfig
from taskscape.models.resnet_mtan import ResnetMtan, ResnetMtanConfig
from taskscape.models.deeplab.plain import DeeplabPlain, DeeplabPlainConfig
from taskscape.models.deeplab.joint import DeeplabJoint, DeeplabJointConfig
from taskscape.models.deeplab.branched import DeeplabBranched, DeeplabBranchedConfig
from taskscape.models.deeplab.fully_branched import DeeplabFullyBranched, DeeplabFullyBranchedConfig
from taskscape.models.deeplab.distill import DeeplabDistill, DeeplabDistillConfig
from taskscape.models.deeplab.distill_up import DeeplabDistillUp, DeeplabDistillUpConfig
from taskscape.models.deeplab.distill_se import DeeplabDistillSE, DeeplabDistillSEConfig
from taskscape.models.deeplab.skip_fusion import DeeplabSkipFusion, DeeplabSkipFusionConfig
from taskscape.models.deeplab.joint_lite import DeeplabJointLite, DeeplabJointLiteConfig
from taskscape.models.deeplab.branched_lite import DeeplabBranchedLite, DeeplabBranchedLiteConfig
from taskscape.models.bins.adaptive_depth import AdaptiveDepth, AdaptiveDepthConfig
from taskscape.models.bins.transformer import Transformer, TransformerConfig
from taskscape.models.bins.cross_attention import CrossAttention, CrossAttentionConfig
from taskscape.models.xtask import XTask, XTaskConfig
from taskscape.models.dpt import DPT, DPTConfig
# isort: on

CONFIGS: ByName[type[NetworkConfig]] = ByName(
    (value.name, value)
    for value in list(globals().values())
    if isinstance(value, type) and issubclass(value, NetworkConfig) and "network" in vars(value)
)
"""The settings class of every network, by its name on the command line."""

NAMES = tuple(CONFIGS)
"""The names that ``build`` accepts."""

offer(NetworkConfig, CONFIGS.values())


def build(name: str, out_channels: Mapping[str, int], **options: Any) -> Network:
    """Build a network by its name.

    ``out_channels`` gives the channels per task, such as ``{"semseg": 19, "depth": 1, "normals": 3}``; ``options`` are
    the fields of the network's settings. Raises ``ValueError`` for an unknown name or invalid channels, and
    ``TypeError`` for an unknown option. Errors for unknown names suggest the nearest known one.
    """
    if name not in CONFIGS:
        raise ValueError(f"there is no network {name!r}{nearest(name, NAMES) or '; see taskscape.models.NAMES'}")
    return CONFIGS[name](**options).build(out_channels)
