"""Color scales shared by all views. ``INVALID`` and ``NEUTRAL`` have the same meaning in every view."""

from functools import cache

import numpy as np
import numpy.typing as npt
from matplotlib import colormaps

from taskscape.modalities.base import Array, Mask
from taskscape.views.arrays import Color, RgbArray

INVALID: Color = (190, 190, 190)
"""A pixel without a value or a label."""
NEUTRAL: Color = (247, 247, 247)
"""A pixel whose prediction equals its label."""

ERROR = "error"
"""White to violet: the upper half of a diverging scale, which starts at ``NEUTRAL``."""


@cache
def color_table(name: str) -> RgbArray:
    """Return the (255, 3) colors of a scale from position 0 to 1.

    ``name`` is ``ERROR`` or a Matplotlib colormap. The number of colors is odd, so diverging maps have a center.
    """
    start, name = (0.5, "PuOr") if name == ERROR else (0.0, name)
    rgb = colormaps[name].resampled(1021)(np.linspace(start, 1.0, 255))[:, :3]
    return np.asarray((rgb * 255).round(), np.uint8)


def apply_scale(position: npt.NDArray[np.floating], valid: Mask | None, name: str) -> RgbArray:
    """Return the colors, (..., 3), of positions (...) on a scale; positions are clipped to 0..1.

    Pixels that are not finite and valid become ``INVALID``.
    """
    usable = np.isfinite(position) if valid is None else np.isfinite(position) & valid
    index = (np.clip(np.where(usable, position, 0.0), 0.0, 1.0) * 254).round().astype(np.intp)
    rgb = color_table(name)[index]
    rgb[~usable] = INVALID
    return rgb


def overlay(image: RgbArray, colors: RgbArray, alpha: float = 0.5) -> RgbArray:
    """Blend colors over an image, both (..., 3); ``alpha`` 0 gives only the image, 1 only the colors."""
    return np.asarray((image * (1.0 - alpha) + colors * alpha).round(), np.uint8)


def finite(values: Array, valid: Mask | None = None) -> Mask:
    """Return the mask (...) of valid pixels for which all channels of values (..., C) are finite."""
    usable: Mask = np.asarray(np.isfinite(values).all(-1))
    return usable if valid is None else np.logical_and(usable, valid)
