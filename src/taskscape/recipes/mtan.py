"""SegNet and MTAN: ways to share a network between tasks, and to balance their losses.

Protocol: Liu, Johns and Davison, CVPR 2019, https://arxiv.org/abs/1803.10704, as Xing ran it on Cityscapes in 2022
(https://github.com/dddxing/SegNet_MTAN). The numbers for 19 classes are Xing's; he balanced with DWA, and so do these
recipes. Parameter counts are those of the network alone. The numbers of the balancing table are from Navon et al.,
ICML 2022, https://arxiv.org/abs/2202.01017, table 3: mIoU, pixel accuracy, absolute and relative error of inverse
depth, and the change Δm against single-task networks.

Without a store, generated streets are used instead: for Cityscapes, 2,975 to train on and 500 to validate on, 128x256,
with their 19 classes grouped as in the papers; for the rooms of NYUv2, 795 and 654, 288x384, with the 19 classes of
streets in place of its 13.
"""

from collections.abc import Callable
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
from taskscape.recipes.mtan_protocol import CITYSCAPES, INVERSE_DEPTH, METERS, NYUV2, SCALE_AND_CROP, alone
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

LIU = "Liu et al., CVPR 2019, https://arxiv.org/abs/1803.10704"
XING = "Xing, 2022, https://github.com/dddxing/SegNet_MTAN, protocol of https://arxiv.org/abs/1803.10704"
NAVON = "Navon et al., ICML 2022, table 3, https://arxiv.org/abs/2202.01017"


# -- protocols ---------------------------------------------------------------------------------------------------------


def _cityscapes(network: NetworkConfig, classes: ClassSet = CITYSCAPES_19) -> Experiment:
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
        _cityscapes(network),
        tasks={"semseg": SemanticSegmentation(), "depth": METERS, "normals": SurfaceNormals()},
        data=NYUV2,
        epochs=200,
        batch_size=2,
    )


def _balancing(weighting: WeightingConfig) -> Experiment:
    return replace(
        _cityscapes(SegnetMtanConfig(), CITYSCAPES_7),
        augmentation=SCALE_AND_CROP,
        weighting=weighting,
        epochs=200,
        batch_size=8,
        average_last=10,
    )


# -- recipes -----------------------------------------------------------------------------------------------------------

Recipe = Callable[[], Experiment]


def _recipe(title: str, experiment: Recipe, published: str = "-", source: str = LIU, remark: str = "") -> Recipe:
    """Return a recipe with a docstring that gives its description, the published results and their source."""

    def recipe() -> Experiment:
        return experiment()

    recipe.__doc__ = f"{title}.\n\nPublished: {published}\nSource: {source}" + (f"\n\n{remark}" if remark else "")
    return recipe


def _multi_task(
    title: str, network: NetworkConfig, nyuv2: str, *, classes_7: str = "-", classes_19: str = "-"
) -> tuple[Recipe, Recipe, Recipe, Recipe]:
    """Return a network's recipes on Cityscapes with 2, 7 and 19 classes and on NYUv2, with the published results.

    The results for 19 classes are Xing's.
    """
    source_19 = LIU if classes_19 == "-" else XING
    return (
        _recipe(f"{title}: Cityscapes with 2 classes", lambda: _cityscapes(network, CITYSCAPES_2)),
        _recipe(f"{title}: Cityscapes with 7 classes", lambda: _cityscapes(network, CITYSCAPES_7), classes_7),
        _recipe(f"{title}: Cityscapes with 19 classes", lambda: _cityscapes(network), classes_19, source_19),
        _recipe(f"{title}: NYUv2, three tasks", lambda: _nyuv2(network), nyuv2),
    )


def _single_task(title: str, network: NetworkConfig, *, semseg: str, depth: str) -> tuple[Recipe, ...]:
    """Return a network's recipes for one task, with the parameter counts published for NYUv2.

    They are segmentation on Cityscapes with 2, 7 and 19 classes, its inverse depth, and the three tasks of NYUv2.
    """

    def solo(task: str, data: str, experiment: Recipe, published: str = "-", words: str = "") -> Recipe:
        return _recipe(f"{title} for {words or task} alone: {data}", lambda: alone(experiment(), task), published)

    return (
        solo("semseg", "Cityscapes with 2 classes", lambda: _cityscapes(network, CITYSCAPES_2), words="segmentation"),
        solo("semseg", "Cityscapes with 7 classes", lambda: _cityscapes(network, CITYSCAPES_7), words="segmentation"),
        solo("semseg", "Cityscapes with 19 classes", lambda: _cityscapes(network), words="segmentation"),
        solo("depth", "Cityscapes", lambda: _cityscapes(network), depth, "inverse depth"),
        solo("semseg", "NYUv2", lambda: _nyuv2(network), semseg, "segmentation"),
        solo("depth", "NYUv2", lambda: _nyuv2(network), depth),
        solo("normals", "NYUv2", lambda: _nyuv2(network), words="surface normals"),
    )


def _balanced(data: str, experiment: Recipe) -> tuple[Recipe, Recipe]:
    """Return MTAN experiments with equal weights and with uncertainty weights."""
    return (
        _recipe(f"MTAN with equal weights: {data}", lambda: replace(experiment(), weighting=FixedConfig())),
        _recipe(
            f"MTAN with uncertainty weights: {data}",
            lambda: replace(experiment(), weighting=UncertaintyConfig("mtan")),
        ),
    )


def _single_task_row(task: str, words: str, published: str) -> Recipe:
    """Return a single-task experiment, the reference of the balancing table."""
    return _recipe(
        f"Balancing table: {words} alone, the reference of Δm",
        lambda: alone(replace(_balancing(FixedConfig()), network=SegnetStanConfig()), task),
        published,
        NAVON,
        "The table does not say whether its single-task networks have attention; this one does, as MTAN with one task.",
    )


def _table_row(method: str, weighting: WeightingConfig, published: str, remark: str = "") -> Recipe:
    """Return a row of the balancing table."""
    title = f"Balancing table: MTAN balanced by {method}"
    return _recipe(title, lambda: _balancing(weighting), published, NAVON, remark)


cityscapes_2, cityscapes_7, cityscapes_19, nyuv2 = _multi_task(
    "MTAN",
    SegnetMtanConfig(),
    "44,229,073 parameters",
    classes_7="41,206,984 parameters",
    classes_19="mIoU 38 (84 in training), abs err 0.0156-0.018, rel err 31-38, 41,207,764 parameters",
)
split_cityscapes_2, split_cityscapes_7, split_cityscapes_19, split_nyuv2 = _multi_task(
    "One SegNet, split at its heads", SegnetSplitConfig(), "25,055,185 parameters"
)
split_deep_cityscapes_2, split_deep_cityscapes_7, split_deep_cityscapes_19, split_deep_nyuv2 = _multi_task(
    "One SegNet of twice the depth, split at its heads", SegnetSplitDeepConfig(), "50,807,761 parameters"
)
split_wide_cityscapes_2, split_wide_cityscapes_7, split_wide_cityscapes_19, split_wide_nyuv2 = _multi_task(
    "One SegNet with a wider last stage, split at its heads", SegnetSplitWideConfig(), "43,934,161 parameters"
)
dense_cityscapes_2, dense_cityscapes_7, dense_cityscapes_19, dense_nyuv2 = _multi_task(
    "A SegNet per task that reads the features of a shared one",
    SegnetDenseConfig(),
    "123,699,409 parameters",
    classes_19="37 % accuracy (his network without attention, not described further)",
)
cross_stitch_cityscapes_2, cross_stitch_cityscapes_7, cross_stitch_cityscapes_19, cross_stitch_nyuv2 = _multi_task(
    "A SegNet per task, joined by cross-stitch units", SegnetCrossStitchConfig(), "74,941,804 parameters"
)
(
    single_semseg_cityscapes_2,
    single_semseg_cityscapes_7,
    single_semseg_cityscapes_19,
    single_depth_cityscapes,
    single_semseg_nyuv2,
    single_depth_nyuv2,
    single_normals_nyuv2,
) = _single_task("A SegNet", SegnetSingleConfig(), semseg="24,981,069 parameters", depth="24,980,289 parameters")
(
    stan_semseg_cityscapes_2,
    stan_semseg_cityscapes_7,
    stan_semseg_cityscapes_19,
    stan_depth_cityscapes,
    stan_semseg_nyuv2,
    stan_depth_nyuv2,
    stan_normals_nyuv2,
) = _single_task(
    "A SegNet with attention", SegnetStanConfig(), semseg="38,185,805 parameters", depth="38,185,025 parameters"
)
cityscapes_2_equal, cityscapes_2_uncertainty = _balanced("Cityscapes with 2 classes", cityscapes_2)
cityscapes_7_equal, cityscapes_7_uncertainty = _balanced("Cityscapes with 7 classes", cityscapes_7)
cityscapes_19_equal, cityscapes_19_uncertainty = _balanced("Cityscapes with 19 classes", cityscapes_19)
nyuv2_equal, nyuv2_uncertainty = _balanced("NYUv2, three tasks", nyuv2)
nyuv2_augmented = _recipe(
    "MTAN with scale-and-crop and flip: NYUv2, three tasks", lambda: replace(nyuv2(), augmentation=SCALE_AND_CROP)
)
resnet_mtan_nyuv2 = _recipe(
    "MTAN on a dilated ResNet-50 with DeepLab heads: NYUv2, three tasks",
    lambda: _nyuv2(ResnetMtanConfig(encoder="resnet50.tv_in1k", pretrained=True)),
    "92,347,921 parameters",
    remark="Initial weights are torchvision's ImageNet weights, from the hub; --network.pretrained False or --scale\n"
    "small trains without them.",
)

balancing_single_semseg = _single_task_row("semseg", "segmentation", "mIoU 74.01, accuracy 93.16")
balancing_single_depth = _single_task_row("depth", "inverse depth", "abs err 0.0125, rel err 27.77")
balancing_equal = _table_row(
    "equal weights", FixedConfig(), "mIoU 75.18, accuracy 93.49, abs err 0.0155, rel err 46.77, Δm 22.60"
)
balancing_dwa = _table_row("DWA", DWAConfig(), "mIoU 75.24, accuracy 93.52, abs err 0.0160, rel err 44.37, Δm 21.45")
balancing_uncertainty = _table_row(
    "uncertainty",
    UncertaintyConfig("kendall"),
    "mIoU 72.02, accuracy 92.85, abs err 0.0140, rel err 30.13, Δm 5.89",
    "The table does not say which form of the weights it uses; that of Kendall et al. is a guess.",
)
balancing_pcgrad = _table_row(
    "PCGrad", PCGradConfig(), "mIoU 75.13, accuracy 93.48, abs err 0.0154, rel err 42.07, Δm 18.29"
)
balancing_cagrad = _table_row(
    "CAGrad", CAGradConfig(), "mIoU 75.16, accuracy 93.48, abs err 0.0141, rel err 37.60, Δm 11.64"
)
balancing_imtl_g = _table_row(
    "IMTL-G", IMTLGConfig(), "mIoU 75.33, accuracy 93.49, abs err 0.0135, rel err 38.41, Δm 11.10"
)
balancing_nash_mtl = _table_row(
    "Nash-MTL", NashMTLConfig(), "mIoU 75.41, accuracy 93.66, abs err 0.0129, rel err 35.02, Δm 6.82"
)
