"""The camera of a car, behind the windscreen and level or tilted slightly upwards."""

import math

import numpy as np

from taskscape.streets.camera import View, rotation
from taskscape.streets.dice import Dice
from taskscape.streets.road import Lane, Road

FIELD_OF_VIEW = (44, 66)
"""Range of the horizontal field of view, in degrees."""


def build_view(dice: Dice, road: Road, lane: Lane) -> View:
    """Return a view along the road from a car in ``lane``."""
    up = dice.uniform(1.2, 1.75)
    lateral = lane.lateral + 0.3 * dice.normal()
    yaw = road.yaw(8.0) + 0.06 * dice.normal()
    pitch = road.pitch(8.0) + dice.uniform(-0.05, 0.085)
    roll = 0.014 * dice.normal()
    return View(
        position=np.array(road.point(0.0, lateral, up)),
        rotation=rotation(yaw, pitch, roll),
        field_of_view=math.radians(dice.uniform(*FIELD_OF_VIEW)),
    )
