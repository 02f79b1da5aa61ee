"""The pose and intrinsics of the camera."""

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from taskscape.streets.dice import Dice
from taskscape.streets.road import Lane, Road

FIELD_OF_VIEW = (50, 72)
"""Range of the horizontal field of view, in degrees."""


class Camera(NamedTuple):
    """Intrinsics of a pinhole camera, in pixels.

    The point (x, y, z) in camera axes (x right, y down, z forward) is projected to (fx·x/z + cx, fy·y/z + cy), where
    the center of the top left pixel is (0, 0).
    """

    fx: float
    fy: float
    cx: float
    cy: float


class View(NamedTuple):
    """Position, orientation and field of view of the camera."""

    position: npt.NDArray[np.float64]
    """World point in meters, (3,)."""
    rotation: npt.NDArray[np.float64]
    """Camera axes in world axes, one per row, (3, 3): rotation @ (point - position) is in camera axes."""
    field_of_view: float
    """Horizontal field of view, radians."""

    def intrinsics(self, height: int, width: int) -> Camera:
        """Return the intrinsics of an image of this size."""
        focal = width / 2 / math.tan(self.field_of_view / 2)
        return Camera(focal, focal, (width - 1) / 2, (height - 1) / 2)


def rotation(yaw: float, pitch: float, roll: float) -> npt.NDArray[np.float64]:
    """Return the rotation of a view (``View.rotation``) from its heading, elevation and tilt, in radians."""
    forward = np.array((math.sin(yaw) * math.cos(pitch), -math.sin(pitch), math.cos(yaw) * math.cos(pitch)))
    level_right = np.array((math.cos(yaw), 0.0, -math.sin(yaw)))
    level_down = np.cross(forward, level_right)
    right = math.cos(roll) * level_right + math.sin(roll) * level_down
    return np.stack((right, np.cross(forward, right), forward))


def build_view(dice: Dice, road: Road, lane: Lane, shifted: bool) -> View:
    """Return a view along the road from a car in ``lane``; in the shifted split, from a van's roof."""
    up = dice.uniform(2.0, 2.7) if shifted else dice.uniform(1.2, 1.75)
    lateral = lane.lateral + 0.25 * dice.normal()
    yaw = road.yaw(7.0) + 0.045 * dice.normal()
    tilt_down = dice.uniform(0.07, 0.14) if shifted else 0.028 * dice.normal() + 0.015
    pitch = road.pitch(5.0) - tilt_down
    roll = 0.012 * dice.normal()
    return View(
        position=np.array(road.point(0.0, lateral, up)),
        rotation=rotation(yaw, pitch, roll),
        field_of_view=math.radians(dice.uniform(*FIELD_OF_VIEW)),
    )
