"""Output formats for predictions, one per module."""

from taskscape.inference.outputs.base import Output, Writer, opened
from taskscape.inference.outputs.cityscapes import CityscapesLabels
from taskscape.inference.outputs.coco_panoptic import CocoPanoptic
from taskscape.inference.outputs.maps import Maps
from taskscape.inference.outputs.point_clouds import PointClouds
from taskscape.inference.outputs.recordings import Recording

__all__ = ["CityscapesLabels", "CocoPanoptic", "Maps", "Output", "PointClouds", "Recording", "Writer", "opened"]
