"""Painters: arrays in, RGB pictures out. The report and ``taskscape predict`` draw with the same ones.

Everywhere in here ``...`` stands for (H, W) or (N, H, W). Two colours mean the same in every picture: ``INVALID``, a
pixel without a label, and ``NEUTRAL``, a pixel without a difference.
"""

from collections.abc import Sequence
from functools import cache

import numpy as np
import numpy.typing as npt
from matplotlib import colormaps

Rgb = npt.NDArray[np.uint8]
"""(..., 3), RGB in 0..255."""
Ids = npt.NDArray[np.integer]
Floats = npt.NDArray[np.floating]
Mask = npt.NDArray[np.bool_]
Palette = Sequence[Sequence[int]]
"""An RGB colour (0..255) per class id."""

INVALID = (190, 190, 190)
NEUTRAL = (247, 247, 247)

DEPTH_MAP = "magma_r"
"""Near is bright, far is dark."""
DEPTH_DIFFERENCE_MAP = "RdBu"
"""Predicted too near is red, too far blue."""
ANGLE_MAP = "angle"
"""White to violet: the upper half of a diverging map, so that no difference is ``NEUTRAL`` here too."""


@cache
def color_table(name: str) -> Rgb:
    """Return (255, 3) colours from position 0 to 1; an odd number, so that a diverging map has a middle."""
    if name == ANGLE_MAP:
        positions = np.linspace(0.5, 1.0, 255)
        name = "PuOr"
    else:
        positions = np.linspace(0.0, 1.0, 255)
    rgb = colormaps[name].resampled(1021)(positions)[:, :3]
    return np.asarray((rgb * 255).round(), np.uint8)


def _paint(position: Floats, valid: Mask, name: str) -> Rgb:
    """Colour positions in 0..1, (...); what is not valid becomes ``INVALID``."""
    index = (np.clip(np.where(valid, position, 0.0), 0.0, 1.0) * 254).round().astype(np.intp)
    rgb = color_table(name)[index]
    rgb[~valid] = INVALID
    return rgb


def paint_classes(ids: Ids, palette: Palette, valid: Mask | None = None) -> Rgb:
    """Give every class id of (...) its colour; ids outside the palette, and what is not valid, become ``INVALID``."""
    table = np.vstack([np.asarray(palette, np.uint8).reshape(-1, 3), np.array([INVALID], np.uint8)])
    void = len(table) - 1
    known = (ids >= 0) & (ids < void)
    if valid is not None:
        known &= valid
    return table[np.where(known, ids, void)]


def measurable(metres: Floats, valid: Mask | None = None) -> Mask:
    """Return where a depth is a positive finite number (and valid)."""
    usable: Mask = np.isfinite(metres) & (metres > 0)
    return usable if valid is None else np.logical_and(usable, valid)


def depth_range(metres: Floats, valid: Mask | None = None) -> tuple[float, float]:
    """Return near and far in metres that show most of the picture: the 2nd and 98th percentile of valid depths."""
    values = metres[measurable(metres, valid)]
    if not values.size:
        return 1.0, 100.0
    near, far = np.percentile(values, [2, 98])
    return float(near), float(max(far, near * 1.01))


def paint_depth(metres: Floats, valid: Mask | None = None, near: float | None = None, far: float | None = None) -> Rgb:
    """Colour depths (...) by their logarithm, from near (bright) to far (dark).

    ``near`` and ``far``, in metres, end the scale; by default those of ``depth_range``. Pixels that are not valid, not
    finite or not positive become ``INVALID``. Raises ``ValueError`` unless 0 < near < far.
    """
    valid = measurable(metres, valid)
    default_near, default_far = depth_range(metres, valid)
    near = default_near if near is None else near
    far = default_far if far is None else far
    if not 0 < near < far:
        raise ValueError(f"a depth scale from {near} m to {far} m: it must be 0 < near < far; give both ends or none")
    log = np.log(np.where(valid, metres, near))
    return _paint((log - np.log(near)) / (np.log(far) - np.log(near)), valid, DEPTH_MAP)


def paint_directions(directions: Floats, valid: Mask | None = None) -> Rgb:
    """Colour unit vectors (..., 3) in OpenCV axes (x right, y down, z forward) as normal maps usually look.

    y and z are turned round first, (x, -y, -z) * 0.5 + 0.5: what faces right is red, what faces up (a road) is green,
    and what faces the camera is blue.
    """
    usable: Mask = np.asarray(np.isfinite(directions).all(-1))
    if valid is not None:
        usable = np.logical_and(usable, valid)
    usual = np.where(usable[..., None], directions, 0.0) * np.array([1.0, -1.0, -1.0])
    rgb: Rgb = np.asarray((np.clip(usual * 0.5 + 0.5, 0.0, 1.0) * 255).round(), np.uint8)
    rgb[~usable] = INVALID
    return rgb


def overlay(image: Rgb, classes_rgb: Rgb, alpha: float = 0.5) -> Rgb:
    """Lay painted classes over an image, both (..., 3); ``alpha`` 0 is the image alone, 1 the classes alone."""
    return np.asarray((image * (1.0 - alpha) + classes_rgb * alpha).round(), np.uint8)


def difference_classes(label: Ids, prediction: Ids, valid: Mask, palette: Palette) -> Rgb:
    """Show what is wrong in the colour of the predicted class; what is right is ``NEUTRAL``."""
    rgb = paint_classes(prediction, palette)
    rgb[label == prediction] = NEUTRAL
    rgb[~valid] = INVALID
    return rgb


def difference_depth(label: Floats, prediction: Floats, valid: Mask, limit: float = 0.5) -> Rgb:
    """Show (prediction - label) / label of (...) metres, from -limit (too near, red) to limit (too far, blue)."""
    valid = measurable(label, valid) & np.isfinite(prediction)
    relative = (np.where(valid, prediction, 1.0) - np.where(valid, label, 1.0)) / np.where(valid, label, 1.0)
    return _paint(relative / (2 * limit) + 0.5, valid, DEPTH_DIFFERENCE_MAP)


def angles(label: Floats, prediction: Floats) -> Floats:
    """Return the angle in degrees (...) between unit vectors (..., 3)."""
    # The cosine alone loses small angles to rounding.
    cross = np.linalg.norm(np.cross(label, prediction), axis=-1)
    return np.asarray(np.degrees(np.arctan2(cross, (label * prediction).sum(-1))))


def difference_directions(label: Floats, prediction: Floats, valid: Mask, limit: float = 60.0) -> Rgb:
    """Show the angle between directions (..., 3), from 0 (``NEUTRAL``) to ``limit`` degrees (violet)."""
    valid = valid & np.isfinite(label).all(-1) & np.isfinite(prediction).all(-1)
    return _paint(angles(label, prediction) / limit, valid, ANGLE_MAP)
