"""Cross-task consistency (XTasC-Net) on Cityscapes and NYUv2.

Nakano, Chen and Demachi, 2021, https://arxiv.org/abs/2111.14122, protocol of https://github.com/akarimoon/xtask_mt:
ResNet-34 without pretrained weights, the last batch norm of each block not zero-initialized; Adam 1e-4 with β₂ 0.99;
Cityscapes: 250 epochs, batch size 8, learning rate halved every 80 epochs, λ 0.01; NYUv2: 100 epochs, batch size 6,
learning rate halved every 60 epochs, λ 0.0001; flip and scale-and-crop. The published numbers are mIoU, pixel accuracy,
absolute and relative error. Their mIoU is averaged over images: compare it with ``semseg/miou_per_image``.

Without a store, generated streets are used instead: for Cityscapes, 2,975 to train on and 500 to validate on, 128x256;
for the rooms of NYUv2, 795 and 654, 288x384, with the 19 classes of streets in place of its 13.
"""

from dataclasses import replace

from taskscape.losses import CrossEntropy
from taskscape.modalities.class_sets import CITYSCAPES_7, CITYSCAPES_19, ClassSet
from taskscape.models import XTaskConfig
from taskscape.objectives import CrossTaskConsistency
from taskscape.recipes.mtan_protocol import CITYSCAPES, INVERSE_DEPTH, METERS, NYUV2, SCALE_AND_CROP, alone
from taskscape.runs import Experiment
from taskscape.tasks import SemanticSegmentation
from taskscape.training.optimization import AdamConfig, Step
from taskscape.weighting import FixedConfig, GradNormConfig, UncertaintyConfig


def _network(encoder: str = "resnet34", *, batch_norm: bool = False, wide: bool = False) -> XTaskConfig:
    return XTaskConfig(encoder=encoder, pretrained=False, batch_norm=batch_norm, wide=wide, zero_init_last=False)


def _cityscapes(classes: ClassSet) -> Experiment:
    return Experiment(
        network=_network(),
        tasks={"semseg": SemanticSegmentation(classes), "depth": INVERSE_DEPTH},
        data=CITYSCAPES,
        augmentation=SCALE_AND_CROP,
        objective=CrossTaskConsistency(weight=0.01),
        weighting=UncertaintyConfig("xtask"),
        optimizer=AdamConfig(lr=1e-4, betas=(0.9, 0.99)),
        schedule=Step(step_size=80, gamma=0.5),
        epochs=250,
        batch_size=8,
        precision="fp32",
    )


def cityscapes_7() -> Experiment:
    """Cross-task consistency: Cityscapes with 7 classes.

    Published: mIoU 66.51, accuracy 93.56, abs err 0.0122, rel err 19.40; 31,553,344 parameters
    Source: Nakano et al., 2021, https://arxiv.org/abs/2111.14122, which gives MTAN 53.04, 91.11, 0.0144, 33.63
    """
    return _cityscapes(CITYSCAPES_7)


def cityscapes_19() -> Experiment:
    """Cross-task consistency: Cityscapes with 19 classes.

    Published: 31,562,560 parameters
    Source: Nakano et al., 2021, https://arxiv.org/abs/2111.14122
    """
    return _cityscapes(CITYSCAPES_19)


def nyuv2() -> Experiment:
    """Cross-task consistency: NYUv2, segmentation and depth.

    Published: mIoU 30.31, accuracy 63.02, abs err 0.5954, rel err 0.2235
    Source: Nakano et al., 2021, https://arxiv.org/abs/2111.14122

    That scale-and-crop divides depth by the scale is a guess: the augmentation is MTAN's, which does so.
    """
    return replace(
        _cityscapes(CITYSCAPES_19),
        tasks={"semseg": SemanticSegmentation(), "depth": METERS},
        data=NYUV2,
        objective=CrossTaskConsistency(weight=0.0001),
        schedule=Step(step_size=60, gamma=0.5),
        epochs=100,
        batch_size=6,
    )


def single_semseg_cityscapes_7() -> Experiment:
    """Encoder and one decoder for segmentation alone: Cityscapes with 7 classes.

    Published: 24,535,360 parameters
    Source: Nakano et al., 2021, https://arxiv.org/abs/2111.14122
    """
    return alone(cityscapes_7(), "semseg")


def single_depth_cityscapes() -> Experiment:
    """Encoder and one decoder for inverse depth alone: Cityscapes.

    Published: 24,534,592 parameters
    Source: Nakano et al., 2021, https://arxiv.org/abs/2111.14122
    """
    return alone(cityscapes_7(), "depth")


def none_cityscapes_7() -> Experiment:
    """As cityscapes_7, without consistency: λ is 0, so the transfer networks do not learn.

    Published: -
    Source: Nakano et al., 2021, https://arxiv.org/abs/2111.14122
    """
    return replace(cityscapes_7(), objective=CrossTaskConsistency(weight=0.0))


def xtc_cityscapes_7() -> Experiment:
    """As cityscapes_7, with transferred predictions compared with the ground truth.

    Published: -
    Source: variant xtc of https://github.com/akarimoon/xtask_mt, after https://arxiv.org/abs/2006.04096
    """
    return replace(cityscapes_7(), objective=CrossTaskConsistency(weight=0.01, target="truth"))


def smoothed_cityscapes_7() -> Experiment:
    """As cityscapes_7, with label smoothing of 0.1 in the transferred segmentation's loss.

    Published: -
    Source: option label_smoothing of https://github.com/akarimoon/xtask_mt, whose default is 0

    Their smoothing spreads over the other classes only, so 0.1 there is 0.1 · 7/6 here.
    """
    losses = {"semseg": CrossEntropy(label_smoothing=0.1 * 7 / 6)}
    return replace(cityscapes_7(), objective=CrossTaskConsistency(weight=0.01, losses=losses))


def equal_cityscapes_7() -> Experiment:
    """As cityscapes_7, with a plain sum of losses.

    Published: -
    Source: https://github.com/akarimoon/xtask_mt without --uncertainty_weights
    """
    return replace(cityscapes_7(), weighting=FixedConfig())


def gradnorm_cityscapes_7() -> Experiment:
    """As cityscapes_7, balanced by GradNorm with its own Adam optimizer.

    Published: -
    Source: option gradnorm of https://github.com/akarimoon/xtask_mt; https://arxiv.org/abs/1711.02257

    The learning rate of that optimizer is not published: 1e-4, that of the network, is a guess.
    """
    return replace(cityscapes_7(), weighting=GradNormConfig(alpha=0.16, optimizer="adam", lr=1e-4))


def batch_norm_cityscapes_7() -> Experiment:
    """As cityscapes_7, with batch norm in the transfer networks.

    Published: slightly better segmentation; 31,558,976 parameters
    Source: option batch_norm of https://github.com/akarimoon/xtask_mt
    """
    return replace(cityscapes_7(), network=_network(batch_norm=True))


def wide_cityscapes_7() -> Experiment:
    """As cityscapes_7, with transfer networks of twice the width.

    Published: 42,841,664 parameters
    Source: option wider_ttnet of https://github.com/akarimoon/xtask_mt
    """
    return replace(cityscapes_7(), network=_network(wide=True))


def resnet18_cityscapes_7() -> Experiment:
    """As cityscapes_7, on a ResNet-18.

    Published: 21,445,184 parameters
    Source: option enc_layers of https://github.com/akarimoon/xtask_mt
    """
    return replace(cityscapes_7(), network=_network("resnet18"))


def resnet50_cityscapes_7() -> Experiment:
    """As cityscapes_7, on a ResNet-50.

    Published: 40,412,224 parameters
    Source: option enc_layers of https://github.com/akarimoon/xtask_mt
    """
    return replace(cityscapes_7(), network=_network("resnet50"))
