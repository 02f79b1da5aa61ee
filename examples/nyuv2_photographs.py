"""Recipes for real photographs of rooms, prepared by ``taskscape prepare folder`` as docs/data.md shows.

The depth of these photographs is proportional to metres within an image only; the store keeps the median of every image
at 1. ``depth/si_log_rmse`` and the ``depth/scaled_`` metrics mean something, the others do not.
"""

from dataclasses import replace
from pathlib import Path

from taskscape.data import Augmentation, Packed
from taskscape.experiment import Experiment, Tasks
from taskscape.models import DeeplabBranched
from taskscape.optimization import AdamW, OneCycle
from taskscape.tasks import Depth, SemanticSegmentation

DEPTH = Depth(representation="log", mean=0.0, deviation=0.5, range=(0.05, 20.0))
"""In medians of an image: logarithms around 0 with a deviation of about a half."""


def both() -> Experiment:
    """Segmentation of 13 classes and depth of unknown scale from one network, on 500 photographs at 144×192."""
    return Experiment(
        network=DeeplabBranched(encoder="resnet18"),
        tasks=Tasks(depth=DEPTH),
        data=Packed(Path("data/nyuv2-photographs")),
        # No zoom: it would divide the depth of an image whose scale says nothing.
        augmentation=Augmentation(flip=True, rotation=5.0, brightness=0.2, contrast=0.2, saturation=0.2),
        optimizer=AdamW(lr=1e-3),
        schedule=OneCycle(),
        epochs=40,
        batch_size=16,
    )


def semseg_only() -> Experiment:
    """The single-task network to compare with: segmentation alone."""
    return replace(both(), tasks=Tasks(semseg=SemanticSegmentation(), depth=None))


def depth_only() -> Experiment:
    """The single-task network to compare with: depth alone."""
    return replace(both(), tasks=Tasks(semseg=None, depth=DEPTH))
