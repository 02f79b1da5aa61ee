"""Settings shared by the experiments on Miniscapes: data, optimizer, schedule, task weights."""

from dataclasses import replace

from taskscape.data import Augmentation, Streets
from taskscape.losses import DepthLoss
from taskscape.modalities.class_sets import CITYSCAPES_19
from taskscape.models import NetworkConfig
from taskscape.runs import Experiment
from taskscape.tasks import Depth, Representation, SemanticSegmentation
from taskscape.training.optimization import AdamConfig, Poly
from taskscape.weighting import FixedConfig

CROP = (256, 256)


def miniscapes(network: NetworkConfig, depth: Depth) -> Experiment:
    """Return segmentation and depth on Miniscapes, or on streets: 20,000, 2,500 and 2,500 images of 256x512.

    The image size was not published; networks were trained on random crops of 256x256.
    """
    return Experiment(
        network=network,
        tasks={"semseg": SemanticSegmentation(CITYSCAPES_19), "depth": depth},
        data=Streets(train=20_000, val=2_500, test=2_500, size=(256, 512)),
        augmentation=Augmentation(crop=CROP),
        weighting=FixedConfig({"semseg": 0.6, "depth": 0.4}),
        optimizer=AdamConfig(lr=1e-4, weight_decay=1e-4),
        schedule=Poly(power=0.9, per_epoch=True),
        epochs=16,
        batch_size=4,
        precision="fp32",
        monitor="grader",
    )


def normalized(representation: Representation) -> Depth:
    """Return depth of 4 to 300 m, normalized by the mean and standard deviation of Miniscapes."""
    mean, std = Depth(representation).normalization
    return Depth(representation, mean=mean, std=std, min_depth=4.0, max_depth=300.0)


def exponential(loss: DepthLoss) -> Depth:
    """Return depth as exp(output), clamped to 0.1 to 300 m."""
    return Depth("log", mean=0.0, std=1.0, min_depth=0.1, max_depth=300.0, loss=loss)


def meters(loss: DepthLoss) -> Depth:
    """Return depth as an output in meters, which networks with bins have, clamped to 0.1 to 300 m."""
    return Depth("meters", mean=0.0, std=1.0, min_depth=0.1, max_depth=300.0, loss=loss)


def alone(experiment: Experiment, task: str) -> Experiment:
    """Return the experiment with only one of its tasks."""
    monitor = {"semseg": "semseg/miou", "depth": "depth/si_log_rmse"}[task]
    return replace(experiment, tasks={task: experiment.tasks[task]}, weighting=FixedConfig(), monitor=monitor)
