"""Settings shared by experiments on Cityscapes and NYUv2 since MTAN: images, depth, augmentation.

Protocol: Liu, Johns and Davison, CVPR 2019, https://arxiv.org/abs/1803.10704. Without a store, generated streets are
used instead, in the number and size of the images of the two data sets.
"""

from dataclasses import replace

from taskscape.data import Augmentation, Streets
from taskscape.objectives import Supervised
from taskscape.runs import Experiment
from taskscape.tasks import Depth
from taskscape.weighting import FixedConfig

CITYSCAPES = Streets(train=2975, val=500, size=(128, 256))
NYUV2 = Streets(train=795, val=654, size=(288, 384))

INVERSE_DEPTH = Depth(quantity="mtan-cityscapes")
"""Inverse depth of Cityscapes."""
METERS = Depth("meters", mean=0.0, std=1.0, min_depth=0.01, max_depth=1000.0, scale_rule="divide")
"""Depth of NYUv2: raw meters, in effect not clamped."""

SCALE_AND_CROP = Augmentation(flip=True, scale_choices=(1.0, 1.2, 1.5))
"""Scale-and-crop, and horizontal flip."""


def alone(experiment: Experiment, task: str) -> Experiment:
    """Return the experiment with only one of its tasks."""
    return replace(experiment, tasks={task: experiment.tasks[task]}, objective=Supervised(), weighting=FixedConfig())
