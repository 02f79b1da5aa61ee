"""Augmentation of whole batches on the device: image, labels and masks together.

``augmentation`` moves the camera and changes the colors. ``texture``, ``light``, ``lens`` and ``sensor`` add effects of
real photographs that generated images lack, in the order in which they arise; all are off by default.
"""

from taskscape.data.augment.augmentation import Augmentation
from taskscape.data.augment.draws import Draws, draw
from taskscape.data.augment.lens import Lens
from taskscape.data.augment.light import Light
from taskscape.data.augment.sensor import Sensor
from taskscape.data.augment.texture import Texture

__all__ = ["Augmentation", "Draws", "Lens", "Light", "Sensor", "Texture", "draw"]
