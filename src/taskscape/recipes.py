"""Recipes: functions without arguments that return an ``Experiment``. A variant calls another and replaces a field.

``taskscape recipes`` lists them with the first line of their docstrings; ``taskscape train NAME --field value`` starts
from one. A recipe may as well live in a file of one's own: ``taskscape train my.py:experiment``.
"""

from dataclasses import replace

from taskscape.objectives.consistency import CrossTaskConsistency
from taskscape.data import Augmentation, Streets
from taskscape.runs.experiment import Experiment, Tasks
from taskscape.losses import SILog
from taskscape.models import (
    AdaptiveDepthConfig,
    CrossAttentionConfig,
    DeeplabBranchedConfig,
    DeeplabBranchedLiteConfig,
    DeeplabDistillConfig,
    DeeplabDistillSEConfig,
    DeeplabDistillUpConfig,
    DeeplabFullyBranchedConfig,
    DeeplabJointConfig,
    DeeplabJointLiteConfig,
    DeeplabPlainConfig,
    DeeplabSkipFusionConfig,
    ResnetMtanConfig,
    SegnetCrossStitchConfig,
    SegnetDenseConfig,
    SegnetMtanConfig,
    SegnetSingleConfig,
    SegnetSplitConfig,
    SegnetSplitDeepConfig,
    SegnetSplitWideConfig,
    SegnetStanConfig,
    TransformerConfig,
    XTaskConfig,
)
from taskscape.training.optimization import AdamW, OneCycle
from taskscape.tasks import Depth, SemanticSegmentation, SurfaceNormals
from taskscape.weighting import UncertaintyConfig


def joint() -> Experiment:
    """DeepLabV3+ with one decoder for segmentation and depth."""
    return Experiment(
        network=DeeplabJointConfig(encoder="resnet18"),
        data=Streets(train=1600, val=200, size=(64, 128)),
        augmentation=Augmentation(flip=True),
        optimizer=AdamW(lr=1e-3),
        schedule=OneCycle(),
        epochs=8,
        batch_size=16,
    )


def demo() -> Experiment:
    """What taskscape demo trains, for as many epochs as its minutes allow."""
    return replace(
        joint(),
        network=DeeplabJointConfig(encoder="resnet10t", output_stride=32, width=96, fine_skip=True),
        tasks=Tasks(depth=Depth(loss=SILog())),
        optimizer=AdamW(lr=2e-3),
        batch_size=8,
    )


def semseg_only() -> Experiment:
    """As joint, but segmentation alone: a single-task network to compare with."""
    return replace(joint(), tasks=Tasks(semseg=SemanticSegmentation(), depth=None))


def depth_only() -> Experiment:
    """As joint, but depth alone: a single-task network to compare with."""
    return replace(joint(), tasks=Tasks(semseg=None, depth=Depth()))


def three_tasks() -> Experiment:
    """As joint, with surface normals as a third task."""
    return replace(joint(), tasks=Tasks(normals=SurfaceNormals()))


def plain() -> Experiment:
    """A ResNet with one small head, without skips: where the DeepLab ladder begins."""
    return replace(joint(), network=DeeplabPlainConfig(encoder="resnet18"))


def joint_lite() -> Experiment:
    """DeepLabV3+ with one decoder, its convolutions with biases."""
    return replace(joint(), network=DeeplabJointLiteConfig())


def branched() -> Experiment:
    """DeepLabV3+ with a decoder per task behind one encoder."""
    return replace(joint(), network=DeeplabBranchedConfig(encoder="resnet18"))


def branched_lite() -> Experiment:
    """DeepLabV3+ with a decoder per task, its convolutions with biases."""
    return replace(joint(), network=DeeplabBranchedLiteConfig())


def fully_branched() -> Experiment:
    """DeepLabV3+ with nothing shared: an encoder and a decoder per task."""
    return replace(joint(), network=DeeplabFullyBranchedConfig())


def skip_fusion() -> Experiment:
    """DeepLabV3+ whose decoders read attended skips of several scales."""
    return replace(joint(), network=DeeplabSkipFusionConfig())


def distill() -> Experiment:
    """Task distillation: second decoders that read the other task's attended features."""
    return replace(joint(), network=DeeplabDistillConfig(encoder="resnet18"))


def distill_up() -> Experiment:
    """Task distillation with up-projection and a finer output."""
    return replace(joint(), network=DeeplabDistillUpConfig(encoder="resnet18"))


def distill_se() -> Experiment:
    """Task distillation with attention over both tasks and squeeze-and-excitation."""
    return replace(joint(), network=DeeplabDistillSEConfig(encoder="resnet18"))


def _metric_depth() -> Tasks:
    """Return tasks whose network puts out metres."""
    return Tasks(depth=Depth("metres", mean=0.0, deviation=1.0, loss=SILog()))


def adaptive_depth() -> Experiment:
    """Depth by bins that the network chooses for each image, segmentation by a decoder."""
    return replace(joint(), network=AdaptiveDepthConfig(), tasks=_metric_depth())


def transformer() -> Experiment:
    """Transformer blocks between encoder and decoders, depth by adaptive bins."""
    return replace(joint(), network=TransformerConfig(), tasks=_metric_depth())


def cross_attention() -> Experiment:
    """Learnt class tokens that attend to the picture, depth by adaptive bins."""
    return replace(joint(), network=CrossAttentionConfig(), tasks=_metric_depth())


def xtask() -> Experiment:
    """Cross-task consistency: predictions transferred to the other task must agree with it."""
    return replace(
        joint(),
        network=XTaskConfig(encoder="resnet18"),
        objective=CrossTaskConsistency(),
        weighting=UncertaintyConfig("xtask"),
    )


def segnet_single() -> Experiment:
    """A whole SegNet per task."""
    return replace(joint(), network=SegnetSingleConfig())


def segnet_stan() -> Experiment:
    """A whole SegNet with attention per task."""
    return replace(joint(), network=SegnetStanConfig())


def segnet_split() -> Experiment:
    """One SegNet with a small head per task."""
    return replace(joint(), network=SegnetSplitConfig())


def segnet_split_wide() -> Experiment:
    """One SegNet, wider at its bottom, with a small head per task."""
    return replace(joint(), network=SegnetSplitWideConfig())


def segnet_split_deep() -> Experiment:
    """One SegNet, twice as deep, with a small head per task."""
    return replace(joint(), network=SegnetSplitDeepConfig())


def segnet_cross_stitch() -> Experiment:
    """A SegNet per task, mixed between their stages."""
    return replace(joint(), network=SegnetCrossStitchConfig())


def segnet_dense() -> Experiment:
    """A SegNet per task that reads the features of a shared one."""
    return replace(joint(), network=SegnetDenseConfig())


def segnet_mtan() -> Experiment:
    """MTAN: one SegNet with attention masks for each task."""
    return replace(joint(), network=SegnetMtanConfig())


def resnet_mtan() -> Experiment:
    """MTAN on a dilated ResNet with a DeepLab head per task."""
    return replace(joint(), network=ResnetMtanConfig(encoder="resnet18"))
