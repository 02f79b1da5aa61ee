"""Colors packed into single integers, red × 65536 + green × 256 + blue, for lookup."""

import numpy as np

from taskscape.modalities.base import Array

Color = tuple[int, int, int]
"""Red, green and blue, 0..255."""


def pack_colors(rgb: Array | Color) -> Array:
    """Return colors (..., 3) as packed integers (...)."""
    packed: Array = np.asarray(rgb) @ np.array([1 << 16, 1 << 8, 1])
    return packed


def unpack_color(number: int) -> Color:
    """Return the color of a packed integer."""
    return number >> 16, number >> 8 & 255, number & 255
