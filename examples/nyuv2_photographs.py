"""Recipes for photographs of rooms, prepared by ``taskscape prepare folder`` as docs/results/photographs.md shows.

The depth of these photographs is relative: it is proportional to meters only within an image, and stored so that the
median of every image is 1. Therefore the loss ignores the scale, which also allows the augmentation to zoom, and the
metrics do not depend on the scale.
"""

from dataclasses import replace
from pathlib import Path

from taskscape.data import Augmentation, Packed
from taskscape.losses import SILog
from taskscape.models import DeeplabJointConfig
from taskscape.runs import Experiment
from taskscape.tasks import Depth, SemanticSegmentation
from taskscape.training.optimization import AdamWConfig, OneCycle

DEPTH = Depth(representation="log", mean=0.0, std=0.5, min_depth=0.05, max_depth=20.0, loss=SILog(gamma=0.0))
"""Depth in units of the image's median: logarithms have a mean near 0 and a standard deviation of about a half."""


def both() -> Experiment:
    """Segmentation into 13 classes and relative depth from one network, on 500 photographs of 96x128."""
    return Experiment(
        network=DeeplabJointConfig(encoder="resnet10t", output_stride=32, width=96, fine_skip=True),
        tasks={"semseg": SemanticSegmentation(), "depth": DEPTH},
        data=Packed(Path("data/nyuv2-photographs")),
        augmentation=Augmentation(
            flip=True, scale_range=(1.0, 1.5), rotation=5.0, brightness=0.2, contrast=0.2, saturation=0.2
        ),
        optimizer=AdamWConfig(lr=2e-3),
        schedule=OneCycle(),
        epochs=40,
        batch_size=8,
    )


def semseg_only() -> Experiment:
    """Segmentation alone: a single-task network for comparison."""
    return replace(both(), tasks={"semseg": SemanticSegmentation()})


def depth_only() -> Experiment:
    """Depth alone: a single-task network for comparison."""
    return replace(both(), tasks={"depth": DEPTH})
