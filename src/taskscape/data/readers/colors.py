"""Colors packed into single integers, red × 65536 + green × 256 + blue, for lookup."""

from collections.abc import Collection

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


def from_hex(text: str) -> Color | None:
    """Return the color ``#rrggbb``; None if the text is not of this form."""
    try:
        red, green, blue = bytes.fromhex(text.removeprefix("#"))
    except ValueError:
        return None
    return red, green, blue


def are_exchanged(unknown: Collection[float], known: Collection[int]) -> bool:
    """Return whether these packed colors, with red and blue exchanged, are all among the known ones."""
    return all(int(pack_colors(unpack_color(int(number))[::-1])) in known for number in unknown)


EXCHANGED = "they are the colors of classes with red and blue exchanged: save the files again as RGB"
"""Explanation of colors that are exchanged, to follow an error message."""
