"""SegNet and MTAN: how a network is shared by its tasks, and how their losses are balanced.

Protocol: Liu, Johns and Davison, CVPR 2019, https://arxiv.org/abs/1803.10704, as Xing ran it on Cityscapes in 2022
(https://github.com/dddxing/SegNet_MTAN), whose figures for 19 classes are given; he balanced by DWA, and so do these
recipes. Counts of parameters are of the network alone. The figures of the balancing table are those of Navon et al.,
ICML 2022, https://arxiv.org/abs/2202.01017, table 3: mIoU, pixel accuracy, absolute and relative error of inverse depth
and the change Δm against single-task networks.

Without a store, streets stand in: 2,975 and 500 of 128x256 for Cityscapes, whose 19 classes are grouped as the papers
do, and 795 and 654 of 288x384 for the rooms of NYUv2, with the 19 classes of streets in place of its 13.
"""

from dataclasses import replace

from taskscape.modalities.class_sets import CITYSCAPES_2, CITYSCAPES_7, CITYSCAPES_19, ClassSet
from taskscape.models import (
    NetworkConfig,
    ResnetMtanConfig,
    SegnetCrossStitchConfig,
    SegnetDenseConfig,
    SegnetMtanConfig,
    SegnetSingleConfig,
    SegnetSplitConfig,
    SegnetSplitDeepConfig,
    SegnetSplitWideConfig,
    SegnetStanConfig,
)
from taskscape.recipes.mtan_protocol import CITYSCAPES, INVERSE_DEPTH, METRES, NYUV2, SCALE_AND_CROP
from taskscape.runs import Experiment
from taskscape.tasks import SemanticSegmentation, SurfaceNormals
from taskscape.training.optimization import AdamConfig, Step
from taskscape.weighting import (
    CAGradConfig,
    DWAConfig,
    FixedConfig,
    IMTLGConfig,
    NashMTLConfig,
    PCGradConfig,
    UncertaintyConfig,
    WeightingConfig,
)


def _cityscapes(classes: ClassSet, network: NetworkConfig) -> Experiment:
    return Experiment(
        network=network,
        tasks={"semseg": SemanticSegmentation(classes), "depth": INVERSE_DEPTH},
        data=CITYSCAPES,
        weighting=DWAConfig(temperature=2.0),
        optimizer=AdamConfig(lr=1e-4),
        schedule=Step(step_size=100, gamma=0.5),
        epochs=100,
        batch_size=16,
        precision="fp32",
    )


def _nyuv2(network: NetworkConfig) -> Experiment:
    return replace(
        _cityscapes(CITYSCAPES_19, network),
        tasks={"semseg": SemanticSegmentation(), "depth": METRES, "normals": SurfaceNormals()},
        data=NYUV2,
        epochs=200,
        batch_size=2,
    )


def _alone(experiment: Experiment, task: str) -> Experiment:
    return replace(experiment, tasks={task: experiment.tasks[task]}, weighting=FixedConfig())


def _balancing(weighting: WeightingConfig) -> Experiment:
    return replace(
        _cityscapes(CITYSCAPES_7, SegnetMtanConfig()),
        augmentation=SCALE_AND_CROP,
        weighting=weighting,
        epochs=200,
        batch_size=8,
        average_last=10,
    )


def cityscapes_2() -> Experiment:
    """MTAN: Cityscapes with 2 classes.

    Published: -
    Source: Liu et al., CVPR 2019, https://arxiv.org/abs/1803.10704
    """
    return _cityscapes(CITYSCAPES_2, SegnetMtanConfig())


def cityscapes_7() -> Experiment:
    """MTAN: Cityscapes with 7 classes.

    Published: 41,206,984 parameters
    Source: Liu et al., CVPR 2019, https://arxiv.org/abs/1803.10704
    """
    return _cityscapes(CITYSCAPES_7, SegnetMtanConfig())


def cityscapes_19() -> Experiment:
    """MTAN: Cityscapes with 19 classes.

    Published: mIoU 38 (84 in training), abs err 0.0156-0.018, rel err 31-38, 41,207,764 parameters
    Source: Xing, 2022, https://github.com/dddxing/SegNet_MTAN, protocol of https://arxiv.org/abs/1803.10704
    """
    return _cityscapes(CITYSCAPES_19, SegnetMtanConfig())


def nyuv2() -> Experiment:
    """MTAN: NYUv2, three tasks.

    Published: 44,229,073 parameters
    Source: Liu et al., CVPR 2019, https://arxiv.org/abs/1803.10704
    """
    return _nyuv2(SegnetMtanConfig())


def split_cityscapes_2() -> Experiment:
    """One SegNet, split at its heads: Cityscapes with 2 classes.

    Published: -
    Source: Liu et al., CVPR 2019, https://arxiv.org/abs/1803.10704
    """
    return _cityscapes(CITYSCAPES_2, SegnetSplitConfig())


def split_cityscapes_7() -> Experiment:
    """One SegNet, split at its heads: Cityscapes with 7 classes.

    Published: -
    Source: Liu et al., CVPR 2019, https://arxiv.org/abs/1803.10704
    """
    return _cityscapes(CITYSCAPES_7, SegnetSplitConfig())


def split_cityscapes_19() -> Experiment:
    """One SegNet, split at its heads: Cityscapes with 19 classes.

    Published: -
    Source: Liu et al., CVPR 2019, https://arxiv.org/abs/1803.10704
    """
    return _cityscapes(CITYSCAPES_19, SegnetSplitConfig())


def split_nyuv2() -> Experiment:
    """One SegNet, split at its heads: NYUv2, three tasks.

    Published: 25,055,185 parameters
    Source: Liu et al., CVPR 2019, https://arxiv.org/abs/1803.10704
    """
    return _nyuv2(SegnetSplitConfig())


def split_deep_cityscapes_2() -> Experiment:
    """One SegNet of twice the depth, split at its heads: Cityscapes with 2 classes.

    Published: -
    Source: Liu et al., CVPR 2019, https://arxiv.org/abs/1803.10704
    """
    return _cityscapes(CITYSCAPES_2, SegnetSplitDeepConfig())


def split_deep_cityscapes_7() -> Experiment:
    """One SegNet of twice the depth, split at its heads: Cityscapes with 7 classes.

    Published: -
    Source: Liu et al., CVPR 2019, https://arxiv.org/abs/1803.10704
    """
    return _cityscapes(CITYSCAPES_7, SegnetSplitDeepConfig())


def split_deep_cityscapes_19() -> Experiment:
    """One SegNet of twice the depth, split at its heads: Cityscapes with 19 classes.

    Published: -
    Source: Liu et al., CVPR 2019, https://arxiv.org/abs/1803.10704
    """
    return _cityscapes(CITYSCAPES_19, SegnetSplitDeepConfig())


def split_deep_nyuv2() -> Experiment:
    """One SegNet of twice the depth, split at its heads: NYUv2, three tasks.

    Published: 50,807,761 parameters
    Source: Liu et al., CVPR 2019, https://arxiv.org/abs/1803.10704
    """
    return _nyuv2(SegnetSplitDeepConfig())


def split_wide_cityscapes_2() -> Experiment:
    """One SegNet with a wider last stage, split at its heads: Cityscapes with 2 classes.

    Published: -
    Source: Liu et al., CVPR 2019, https://arxiv.org/abs/1803.10704
    """
    return _cityscapes(CITYSCAPES_2, SegnetSplitWideConfig())


def split_wide_cityscapes_7() -> Experiment:
    """One SegNet with a wider last stage, split at its heads: Cityscapes with 7 classes.

    Published: -
    Source: Liu et al., CVPR 2019, https://arxiv.org/abs/1803.10704
    """
    return _cityscapes(CITYSCAPES_7, SegnetSplitWideConfig())


def split_wide_cityscapes_19() -> Experiment:
    """One SegNet with a wider last stage, split at its heads: Cityscapes with 19 classes.

    Published: -
    Source: Liu et al., CVPR 2019, https://arxiv.org/abs/1803.10704
    """
    return _cityscapes(CITYSCAPES_19, SegnetSplitWideConfig())


def split_wide_nyuv2() -> Experiment:
    """One SegNet with a wider last stage, split at its heads: NYUv2, three tasks.

    Published: 43,934,161 parameters
    Source: Liu et al., CVPR 2019, https://arxiv.org/abs/1803.10704
    """
    return _nyuv2(SegnetSplitWideConfig())


def dense_cityscapes_2() -> Experiment:
    """A SegNet per task that reads a global one's features: Cityscapes with 2 classes.

    Published: -
    Source: Liu et al., CVPR 2019, https://arxiv.org/abs/1803.10704
    """
    return _cityscapes(CITYSCAPES_2, SegnetDenseConfig())


def dense_cityscapes_7() -> Experiment:
    """A SegNet per task that reads a global one's features: Cityscapes with 7 classes.

    Published: -
    Source: Liu et al., CVPR 2019, https://arxiv.org/abs/1803.10704
    """
    return _cityscapes(CITYSCAPES_7, SegnetDenseConfig())


def dense_cityscapes_19() -> Experiment:
    """A SegNet per task that reads a global one's features: Cityscapes with 19 classes.

    Published: 37 % accuracy (his network without attention, of which no more is said)
    Source: Xing, 2022, https://github.com/dddxing/SegNet_MTAN, protocol of https://arxiv.org/abs/1803.10704
    """
    return _cityscapes(CITYSCAPES_19, SegnetDenseConfig())


def dense_nyuv2() -> Experiment:
    """A SegNet per task that reads a global one's features: NYUv2, three tasks.

    Published: 123,699,409 parameters
    Source: Liu et al., CVPR 2019, https://arxiv.org/abs/1803.10704
    """
    return _nyuv2(SegnetDenseConfig())


def cross_stitch_cityscapes_2() -> Experiment:
    """A SegNet per task, joined by cross-stitch units: Cityscapes with 2 classes.

    Published: -
    Source: Liu et al., CVPR 2019, https://arxiv.org/abs/1803.10704
    """
    return _cityscapes(CITYSCAPES_2, SegnetCrossStitchConfig())


def cross_stitch_cityscapes_7() -> Experiment:
    """A SegNet per task, joined by cross-stitch units: Cityscapes with 7 classes.

    Published: -
    Source: Liu et al., CVPR 2019, https://arxiv.org/abs/1803.10704
    """
    return _cityscapes(CITYSCAPES_7, SegnetCrossStitchConfig())


def cross_stitch_cityscapes_19() -> Experiment:
    """A SegNet per task, joined by cross-stitch units: Cityscapes with 19 classes.

    Published: -
    Source: Liu et al., CVPR 2019, https://arxiv.org/abs/1803.10704
    """
    return _cityscapes(CITYSCAPES_19, SegnetCrossStitchConfig())


def cross_stitch_nyuv2() -> Experiment:
    """A SegNet per task, joined by cross-stitch units: NYUv2, three tasks.

    Published: 74,941,804 parameters
    Source: Liu et al., CVPR 2019, https://arxiv.org/abs/1803.10704
    """
    return _nyuv2(SegnetCrossStitchConfig())


def single_semseg_cityscapes_2() -> Experiment:
    """A SegNet for segmentation alone: Cityscapes with 2 classes.

    Published: -
    Source: Liu et al., CVPR 2019, https://arxiv.org/abs/1803.10704
    """
    return _alone(_cityscapes(CITYSCAPES_2, SegnetSingleConfig()), "semseg")


def single_semseg_cityscapes_7() -> Experiment:
    """A SegNet for segmentation alone: Cityscapes with 7 classes.

    Published: -
    Source: Liu et al., CVPR 2019, https://arxiv.org/abs/1803.10704
    """
    return _alone(_cityscapes(CITYSCAPES_7, SegnetSingleConfig()), "semseg")


def single_semseg_cityscapes_19() -> Experiment:
    """A SegNet for segmentation alone: Cityscapes with 19 classes.

    Published: -
    Source: Liu et al., CVPR 2019, https://arxiv.org/abs/1803.10704
    """
    return _alone(_cityscapes(CITYSCAPES_19, SegnetSingleConfig()), "semseg")


def single_depth_cityscapes() -> Experiment:
    """A SegNet for inverse depth alone: Cityscapes.

    Published: 24,980,289 parameters
    Source: Liu et al., CVPR 2019, https://arxiv.org/abs/1803.10704
    """
    return _alone(_cityscapes(CITYSCAPES_19, SegnetSingleConfig()), "depth")


def single_semseg_nyuv2() -> Experiment:
    """A SegNet for segmentation alone: NYUv2.

    Published: 24,981,069 parameters
    Source: Liu et al., CVPR 2019, https://arxiv.org/abs/1803.10704
    """
    return _alone(_nyuv2(SegnetSingleConfig()), "semseg")


def single_depth_nyuv2() -> Experiment:
    """A SegNet for depth alone: NYUv2.

    Published: 24,980,289 parameters
    Source: Liu et al., CVPR 2019, https://arxiv.org/abs/1803.10704
    """
    return _alone(_nyuv2(SegnetSingleConfig()), "depth")


def single_normals_nyuv2() -> Experiment:
    """A SegNet for surface normals alone: NYUv2.

    Published: -
    Source: Liu et al., CVPR 2019, https://arxiv.org/abs/1803.10704
    """
    return _alone(_nyuv2(SegnetSingleConfig()), "normals")


def stan_semseg_cityscapes_2() -> Experiment:
    """A SegNet with attention for segmentation alone: Cityscapes with 2 classes.

    Published: -
    Source: Liu et al., CVPR 2019, https://arxiv.org/abs/1803.10704
    """
    return _alone(_cityscapes(CITYSCAPES_2, SegnetStanConfig()), "semseg")


def stan_semseg_cityscapes_7() -> Experiment:
    """A SegNet with attention for segmentation alone: Cityscapes with 7 classes.

    Published: -
    Source: Liu et al., CVPR 2019, https://arxiv.org/abs/1803.10704
    """
    return _alone(_cityscapes(CITYSCAPES_7, SegnetStanConfig()), "semseg")


def stan_semseg_cityscapes_19() -> Experiment:
    """A SegNet with attention for segmentation alone: Cityscapes with 19 classes.

    Published: -
    Source: Liu et al., CVPR 2019, https://arxiv.org/abs/1803.10704
    """
    return _alone(_cityscapes(CITYSCAPES_19, SegnetStanConfig()), "semseg")


def stan_depth_cityscapes() -> Experiment:
    """A SegNet with attention for inverse depth alone: Cityscapes.

    Published: 38,185,025 parameters
    Source: Liu et al., CVPR 2019, https://arxiv.org/abs/1803.10704
    """
    return _alone(_cityscapes(CITYSCAPES_19, SegnetStanConfig()), "depth")


def stan_semseg_nyuv2() -> Experiment:
    """A SegNet with attention for segmentation alone: NYUv2.

    Published: 38,185,805 parameters
    Source: Liu et al., CVPR 2019, https://arxiv.org/abs/1803.10704
    """
    return _alone(_nyuv2(SegnetStanConfig()), "semseg")


def stan_depth_nyuv2() -> Experiment:
    """A SegNet with attention for depth alone: NYUv2.

    Published: 38,185,025 parameters
    Source: Liu et al., CVPR 2019, https://arxiv.org/abs/1803.10704
    """
    return _alone(_nyuv2(SegnetStanConfig()), "depth")


def stan_normals_nyuv2() -> Experiment:
    """A SegNet with attention for surface normals alone: NYUv2.

    Published: -
    Source: Liu et al., CVPR 2019, https://arxiv.org/abs/1803.10704
    """
    return _alone(_nyuv2(SegnetStanConfig()), "normals")


def cityscapes_2_equal() -> Experiment:
    """MTAN with equal weights: Cityscapes with 2 classes.

    Published: -
    Source: Liu et al., CVPR 2019, https://arxiv.org/abs/1803.10704
    """
    return replace(cityscapes_2(), weighting=FixedConfig())


def cityscapes_2_uncertainty() -> Experiment:
    """MTAN with weights by uncertainty: Cityscapes with 2 classes.

    Published: -
    Source: Liu et al., CVPR 2019, https://arxiv.org/abs/1803.10704
    """
    return replace(cityscapes_2(), weighting=UncertaintyConfig("mtan"))


def cityscapes_7_equal() -> Experiment:
    """MTAN with equal weights: Cityscapes with 7 classes.

    Published: -
    Source: Liu et al., CVPR 2019, https://arxiv.org/abs/1803.10704
    """
    return replace(cityscapes_7(), weighting=FixedConfig())


def cityscapes_7_uncertainty() -> Experiment:
    """MTAN with weights by uncertainty: Cityscapes with 7 classes.

    Published: -
    Source: Liu et al., CVPR 2019, https://arxiv.org/abs/1803.10704
    """
    return replace(cityscapes_7(), weighting=UncertaintyConfig("mtan"))


def cityscapes_19_equal() -> Experiment:
    """MTAN with equal weights: Cityscapes with 19 classes.

    Published: -
    Source: Liu et al., CVPR 2019, https://arxiv.org/abs/1803.10704
    """
    return replace(cityscapes_19(), weighting=FixedConfig())


def cityscapes_19_uncertainty() -> Experiment:
    """MTAN with weights by uncertainty: Cityscapes with 19 classes.

    Published: -
    Source: Liu et al., CVPR 2019, https://arxiv.org/abs/1803.10704
    """
    return replace(cityscapes_19(), weighting=UncertaintyConfig("mtan"))


def nyuv2_equal() -> Experiment:
    """MTAN with equal weights: NYUv2, three tasks.

    Published: -
    Source: Liu et al., CVPR 2019, https://arxiv.org/abs/1803.10704
    """
    return replace(nyuv2(), weighting=FixedConfig())


def nyuv2_uncertainty() -> Experiment:
    """MTAN with weights by uncertainty: NYUv2, three tasks.

    Published: -
    Source: Liu et al., CVPR 2019, https://arxiv.org/abs/1803.10704
    """
    return replace(nyuv2(), weighting=UncertaintyConfig("mtan"))


def nyuv2_augmented() -> Experiment:
    """MTAN with scale-and-crop and flip: NYUv2, three tasks.

    Published: -
    Source: Liu et al., CVPR 2019, https://arxiv.org/abs/1803.10704
    """
    return replace(nyuv2(), augmentation=SCALE_AND_CROP)


def resnet_mtan_nyuv2() -> Experiment:
    """MTAN on a dilated ResNet-50 with DeepLab heads: NYUv2, three tasks.

    Published: 92,347,921 parameters
    Source: Liu et al., CVPR 2019, https://arxiv.org/abs/1803.10704

    Initial weights are torchvision's of ImageNet, from the hub; --network.pretrained False or --scale small trains
    without.
    """
    return _nyuv2(ResnetMtanConfig(encoder="resnet50.tv_in1k", pretrained=True))


def balancing_single_semseg() -> Experiment:
    """Balancing table: segmentation alone, to which Δm refers.

    Published: mIoU 74.01, accuracy 93.16
    Source: Navon et al., ICML 2022, table 3, https://arxiv.org/abs/2202.01017

    The table does not say whether a single-task network has attention; this one has, as MTAN of one task.
    """
    return _alone(replace(_balancing(FixedConfig()), network=SegnetStanConfig()), "semseg")


def balancing_single_depth() -> Experiment:
    """Balancing table: inverse depth alone, to which Δm refers.

    Published: abs err 0.0125, rel err 27.77
    Source: Navon et al., ICML 2022, table 3, https://arxiv.org/abs/2202.01017

    The table does not say whether a single-task network has attention; this one has, as MTAN of one task.
    """
    return _alone(replace(_balancing(FixedConfig()), network=SegnetStanConfig()), "depth")


def balancing_equal() -> Experiment:
    """Balancing table: MTAN balanced by equal weights.

    Published: mIoU 75.18, accuracy 93.49, abs err 0.0155, rel err 46.77, Δm 22.60
    Source: Navon et al., ICML 2022, table 3, https://arxiv.org/abs/2202.01017
    """
    return _balancing(FixedConfig())


def balancing_dwa() -> Experiment:
    """Balancing table: MTAN balanced by DWA.

    Published: mIoU 75.24, accuracy 93.52, abs err 0.0160, rel err 44.37, Δm 21.45
    Source: Navon et al., ICML 2022, table 3, https://arxiv.org/abs/2202.01017
    """
    return _balancing(DWAConfig())


def balancing_uncertainty() -> Experiment:
    """Balancing table: MTAN balanced by uncertainty.

    Published: mIoU 72.02, accuracy 92.85, abs err 0.0140, rel err 30.13, Δm 5.89
    Source: Navon et al., ICML 2022, table 3, https://arxiv.org/abs/2202.01017

    The table does not say which form of the weights is meant; that of Kendall et al. is a guess.
    """
    return _balancing(UncertaintyConfig("kendall"))


def balancing_pcgrad() -> Experiment:
    """Balancing table: MTAN balanced by PCGrad.

    Published: mIoU 75.13, accuracy 93.48, abs err 0.0154, rel err 42.07, Δm 18.29
    Source: Navon et al., ICML 2022, table 3, https://arxiv.org/abs/2202.01017
    """
    return _balancing(PCGradConfig())


def balancing_cagrad() -> Experiment:
    """Balancing table: MTAN balanced by CAGrad.

    Published: mIoU 75.16, accuracy 93.48, abs err 0.0141, rel err 37.60, Δm 11.64
    Source: Navon et al., ICML 2022, table 3, https://arxiv.org/abs/2202.01017
    """
    return _balancing(CAGradConfig())


def balancing_imtl_g() -> Experiment:
    """Balancing table: MTAN balanced by IMTL-G.

    Published: mIoU 75.33, accuracy 93.49, abs err 0.0135, rel err 38.41, Δm 11.10
    Source: Navon et al., ICML 2022, table 3, https://arxiv.org/abs/2202.01017
    """
    return _balancing(IMTLGConfig())


def balancing_nash_mtl() -> Experiment:
    """Balancing table: MTAN balanced by Nash-MTL.

    Published: mIoU 75.41, accuracy 93.66, abs err 0.0129, rel err 35.02, Δm 6.82
    Source: Navon et al., ICML 2022, table 3, https://arxiv.org/abs/2202.01017
    """
    return _balancing(NashMTLConfig())
