"""Basic recipes: small and quick to train, on generated streets."""

from dataclasses import replace

from taskscape import models
from taskscape.data import Augmentation, Streets
from taskscape.losses import Angular, CrossEntropyJaccard, Laplace, SILog
from taskscape.models import (
    AdaptiveDepthConfig,
    CrossAttentionConfig,
    DeeplabJointConfig,
    EncoderConfig,
    TransformerConfig,
    XTaskConfig,
)
from taskscape.objectives import CrossTaskConsistency
from taskscape.runs import Experiment
from taskscape.tasks import Depth, SemanticSegmentation, SurfaceNormals
from taskscape.training.optimization import AdamWConfig, OneCycle
from taskscape.weighting import FixedConfig, UncertaintyConfig

EXAMPLE_CHANNELS = {"semseg": 19, "depth": 1}
"""Output channels of ``joint`` on streets; ``taskscape models`` counts parameters and FLOPs for these by default."""


def joint() -> Experiment:
    """DeepLabV3+ with one decoder for segmentation and depth."""
    return Experiment(
        network=DeeplabJointConfig(encoder="resnet18"),
        tasks={"semseg": SemanticSegmentation(), "depth": Depth()},
        data=Streets(train=1600, val=200, size=(64, 128)),
        augmentation=Augmentation(flip=True),
        optimizer=AdamWConfig(lr=1e-3),
        schedule=OneCycle(),
        epochs=8,
        batch_size=16,
    )


def demo() -> Experiment:
    """The experiment of taskscape demo, trained for as long as its time limit allows."""
    return replace(
        joint(),
        network=_demo_network("resnet10t"),
        tasks={
            "semseg": SemanticSegmentation(loss=CrossEntropyJaccard(class_weights="inverse-log", logit_adjustment=0.5)),
            "depth": Depth(loss=SILog()),
        },
        weighting=FixedConfig({"depth": 2.0}),
        optimizer=AdamWConfig(lr=8e-3),
        schedule=OneCycle(pct_start=0.2),
        batch_size=8,
        train_metrics=0.0,
    )


def demo_pretrained() -> Experiment:
    """The experiment of taskscape demo with the extra pretrained: as demo, but starts from ImageNet weights."""
    network = replace(_demo_network("tf_efficientnet_lite0"), pretrained=True)
    return replace(demo(), network=network, weighting=FixedConfig({"depth": 4.0}))


def _demo_network(encoder: str) -> DeeplabJointConfig:
    """Return a network that learns fast on images of 64x128, which have 2x4 pixels at stride 32 and 8x16 at 8."""
    return DeeplabJointConfig(encoder=encoder, output_stride=32, coarsest=8, rates=(1, 2, 4), width=64, fine_skip=True)


def semseg_only() -> Experiment:
    """As joint, but segmentation alone: a single-task network to compare with."""
    return replace(joint(), tasks={"semseg": SemanticSegmentation()})


def depth_only() -> Experiment:
    """As joint, but depth alone: a single-task network to compare with."""
    return replace(joint(), tasks={"depth": Depth()})


def three_tasks() -> Experiment:
    """As joint, with surface normals as a third task."""
    return replace(joint(), tasks={**joint().tasks, "normals": SurfaceNormals()})


def three_tasks_with_confidence() -> Experiment:
    """As three_tasks, with a confidence for each task: the network also predicts the spread of its errors."""
    tasks = {
        "semseg": SemanticSegmentation(confidence="probability"),
        "depth": Depth(loss=Laplace()),
        "normals": SurfaceNormals(loss=Angular()),
    }
    return replace(three_tasks(), tasks=tasks)


def adaptive_depth() -> Experiment:
    """Depth with bins that the network chooses for each image, segmentation with a decoder."""
    return replace(joint(), network=AdaptiveDepthConfig(), tasks=_metric_tasks())


def transformer() -> Experiment:
    """Transformer blocks between encoder and decoders, depth with adaptive bins."""
    return replace(joint(), network=TransformerConfig(), tasks=_metric_tasks())


def cross_attention() -> Experiment:
    """Learned class tokens that attend to the image, depth with adaptive bins."""
    return replace(joint(), network=CrossAttentionConfig(), tasks=_metric_tasks())


def xtask() -> Experiment:
    """Cross-task consistency: the prediction of each task, transferred to the other task, must agree with it."""
    return replace(
        joint(),
        network=XTaskConfig(encoder="resnet18"),
        objective=CrossTaskConsistency(),
        weighting=UncertaintyConfig("xtask"),
    )


def of_network(name: str) -> Experiment:
    """Return ``joint`` with the network of this name, on a ResNet-18 if its encoder can be chosen."""
    config = models.CONFIGS[name]()
    if isinstance(config, EncoderConfig):
        config = replace(config, encoder="resnet18")
    return replace(joint(), network=config)


def _metric_tasks() -> dict[str, SemanticSegmentation | Depth]:
    """Return tasks whose raw depth is in meters."""
    return {"semseg": SemanticSegmentation(), "depth": Depth("meters", mean=0.0, std=1.0, loss=SILog())}
