"""Recipes: functions without arguments that return an ``Experiment``. A variant calls another and replaces a field.

``taskscape recipes`` lists them with the first line of their docstrings; ``taskscape train NAME --field value`` starts
from one. A recipe may as well live in a file of one's own: ``taskscape train my.py:experiment``.
"""

from dataclasses import replace

from taskscape.data import Augmentation, Streets
from taskscape.experiment import Experiment, Tasks
from taskscape.models import DeeplabBranched, DeeplabJoint, DeeplabPlain
from taskscape.optimization import AdamW, OneCycle
from taskscape.tasks import Depth, SemanticSegmentation, SurfaceNormals


def joint() -> Experiment:
    """DeepLabV3+ with one decoder for segmentation and depth, on 2,000 generated streets at 64×128."""
    return Experiment(
        network=DeeplabJoint(encoder="resnet18"),
        data=Streets(train=2000, val=200, size=(64, 128)),
        augmentation=Augmentation(flip=True),
        optimizer=AdamW(lr=1e-3),
        schedule=OneCycle(),
        epochs=8,
        batch_size=16,
    )


def plain() -> Experiment:
    """A ResNet with one small head for segmentation and depth, without skips, on generated streets."""
    return replace(joint(), network=DeeplabPlain(encoder="resnet18"))


def branched() -> Experiment:
    """DeepLabV3+ with a decoder per task behind one encoder, on generated streets."""
    return replace(joint(), network=DeeplabBranched(encoder="resnet18"))


def three_tasks() -> Experiment:
    """Segmentation, depth and surface normals from one DeepLabV3+, on generated streets."""
    return replace(joint(), tasks=Tasks(normals=SurfaceNormals()))


def semseg_only() -> Experiment:
    """The single-task network to compare with: segmentation alone."""
    return replace(joint(), tasks=Tasks(semseg=SemanticSegmentation(), depth=None))


def depth_only() -> Experiment:
    """The single-task network to compare with: depth alone."""
    return replace(joint(), tasks=Tasks(semseg=None, depth=Depth()))


def demo() -> Experiment:
    """What ``taskscape demo`` trains: as ``joint``, for as many epochs as five minutes allow."""
    return joint()
