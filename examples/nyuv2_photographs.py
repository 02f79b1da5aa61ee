"""Recipes for real photographs of rooms, prepared by ``taskscape prepare folder`` as docs/data.md shows.

The depth of these photographs is proportional to metres within an image only; the store keeps the median of every image
at 1. So the loss forgives a wrong scale, which lets the augmentation zoom too, and the metrics are those that need no
scale.
"""

from dataclasses import replace
from pathlib import Path

from taskscape.data import Augmentation, Packed
from taskscape.runs.experiment import Experiment, Tasks
from taskscape.losses import SILog
from taskscape.models import DeeplabJointConfig
from taskscape.training.optimization import AdamWConfig, OneCycle
from taskscape.tasks import Depth, SemanticSegmentation

DEPTH = Depth(representation="log", mean=0.0, deviation=0.5, range=(0.05, 20.0), loss=SILog(gamma=0.0))
"""In medians of an image: logarithms around 0 with a deviation of about a half."""


def both() -> Experiment:
    """Segmentation of 13 classes and depth of unknown scale from one network, on 500 photographs at 96×128."""
    return Experiment(
        network=DeeplabJointConfig(encoder="resnet10t", output_stride=32, width=96, fine_skip=True),
        tasks=Tasks(depth=DEPTH),
        data=Packed(Path("data/nyuv2-photographs")),
        augmentation=Augmentation(
            flip=True, scale=(1.0, 1.5), rotation=5.0, brightness=0.2, contrast=0.2, saturation=0.2
        ),
        optimizer=AdamWConfig(lr=2e-3),
        schedule=OneCycle(),
        epochs=40,
        batch_size=8,
    )


def semseg_only() -> Experiment:
    """The single-task network to compare with: segmentation alone."""
    return replace(both(), tasks=Tasks(semseg=SemanticSegmentation(), depth=None))


def depth_only() -> Experiment:
    """The single-task network to compare with: depth alone."""
    return replace(both(), tasks=Tasks(semseg=None, depth=DEPTH))
