"""Surface normals: shown in the usual colors of normal maps, written as 8-bit RGB."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image
from typing_extensions import override

from taskscape.modalities.base import Array, Mask
from taskscape.modalities.normals import Normals, encode_8bit
from taskscape.views.arrays import RgbArray
from taskscape.views.base import View, mean_per_image
from taskscape.views.colors import ERROR, INVALID, apply_scale, finite
from taskscape.views.key import Example, Key, Scale

LARGEST_ANGLE = 60.0
"""Angle at the end of the difference scale, in degrees."""


@dataclass(frozen=True)
class NormalsView(View[Normals]):
    """Values are (..., 3) unit vectors in OpenCV axes: x right, y down, z forward."""

    @override
    def colorize(self, values: Array, valid: Mask | None = None) -> RgbArray:
        """Return (x, -y, -z) * 0.5 + 0.5 as RGB.

        Surfaces that face right are red, those that face up (a road) green, those that face the camera blue.
        """
        valid = finite(values, valid)
        turned = np.where(valid[..., None], values, 0.0) * np.array([1.0, -1.0, -1.0])
        rgb: RgbArray = np.asarray((np.clip(turned * 0.5 + 0.5, 0.0, 1.0) * 255).round(), np.uint8)
        rgb[~valid] = INVALID
        return rgb

    @override
    def difference(self, label: Array, prediction: Array, valid: Mask) -> RgbArray:
        """Return the angle between the directions, from white to violet."""
        return apply_scale(angles(label, prediction) / LARGEST_ANGLE, valid, ERROR)

    @override
    def scores(self, label: Array, prediction: Array, valid: Mask) -> list[str]:
        return mean_per_image(angles(label, prediction), valid, "{:.1f}° error")

    @override
    def coloring(self) -> Mapping[str, Any]:
        return {"channels": {"factor": [127.5, -127.5, -127.5], "offset": 127.5, "gamma": 1.0}}

    @override
    def key(self) -> Key:
        return (Example(self._sphere(), "As on this sphere: green faces up, blue the camera, and red to the right."),)

    @override
    def difference_key(self) -> Key:
        ticks = [(d / LARGEST_ANGLE, f"{d}°") for d in (0, 15, 30)]
        return (
            "Difference: angle between the two directions.",
            Scale(ERROR, [*ticks, (1.0, f"{LARGEST_ANGLE:g}° or more")]),
        )

    @override
    def encode(self, values: Array) -> Image.Image:
        """Return each component scaled from -1..1 to 0..255."""
        return Image.fromarray(encode_8bit(values))

    @override
    def metadata(self) -> Mapping[str, Any]:
        return {
            "type": self.modality.name,
            "vector": "rgb / 255 * 2 - 1",
            "axes": "OpenCV: x right, y down, z forward",
        }

    def _sphere(self, side: int = 96) -> RgbArray:
        """Return the colors of a sphere in front of the camera, (side, side, 3), on white."""
        y, x = (np.mgrid[:side, :side] + 0.5) / side * 2 - 1
        inside = x**2 + y**2 < 1
        normals = np.stack([x, y, -np.sqrt(np.where(inside, 1 - x**2 - y**2, 0.0))], -1)
        rgb = self.colorize(normals, inside)
        rgb[~inside] = 255
        return rgb


def angles(label: Array, prediction: Array) -> Array:
    """Return the angle in degrees (...) between unit vectors (..., 3)."""
    # The arc cosine would lose small angles to rounding.
    cross = np.linalg.norm(np.cross(label, prediction), axis=-1)
    return np.asarray(np.degrees(np.arctan2(cross, (label * prediction).sum(-1))))
