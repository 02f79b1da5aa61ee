"""Surface normals computed from depth, and detection of the axis convention of stored normals."""

from collections.abc import Iterable
from itertools import permutations, product
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from taskscape.modalities.base import Array, Mask

Floats = npt.NDArray[np.float64]
Labelled = tuple[Array, Mask]
"""A label and its mask of valid pixels."""


class Intrinsics(NamedTuple):
    """A pinhole camera, in pixels; (0, 0) is the center of the first pixel."""

    fx: float
    fy: float
    cx: float
    cy: float


def normals_from_depth(depth: Array, valid: Mask, camera: Intrinsics, radius: int = 4) -> tuple[Array, Mask]:
    """Return unit normals (H, W, 3), float32, that face the camera, in camera axes, and the mask of valid ones, (H, W).

    A plane is fitted by least squares to the (2 radius + 1)² pixels around each pixel: on a plane, 1/z is linear in the
    image coordinates, 1/z = a·x + b·y + c, and (a, b, c) is normal to it. A pixel has no normal if one of these pixels
    has no depth, if they do not lie on a plane (the root mean square deviation is more than 2 % of 1/z, as across the
    edge of an object), or along the border.

    ``depth`` is (H, W) in meters.
    """
    height, width = depth.shape
    inverse = np.where(valid, 1 / np.where(valid, depth, 1), 0).astype(np.float64)
    steps = np.arange(-radius, radius + 1.0)
    ones, spread = np.ones(len(steps)), (steps**2).sum() * len(steps)
    pixels = len(steps) ** 2
    slope_x = _filtered(inverse, ones, steps) / spread
    slope_y = _filtered(inverse, steps, ones) / spread
    mean = _filtered(inverse, ones, ones) / pixels
    # Residual variance after subtracting the plane; the steps along x and y have the same variance.
    residual = _filtered(inverse**2, ones, ones) / pixels - mean**2 - (slope_x**2 + slope_y**2) * (steps**2).mean()
    is_flat = _filtered(valid.astype(np.float64), ones, ones) > pixels - 0.5
    is_flat &= (np.maximum(residual, 0) < (0.02 * mean) ** 2) & (mean > 0)

    interior = (slice(radius, height - radius), slice(radius, width - radius))
    y, x = np.mgrid[interior].astype(np.float64)
    a, b = slope_x * camera.fx, slope_y * camera.fy
    c = mean - a * (x - camera.cx) / camera.fx - b * (y - camera.cy) / camera.fy
    facing = -np.stack([a, b, c], -1)
    facing /= np.maximum(np.linalg.norm(facing, axis=-1, keepdims=True), 1e-12)
    normals, mask = np.zeros((height, width, 3), np.float32), np.zeros((height, width), np.bool_)
    normals[interior], mask[interior] = facing * is_flat[..., None], is_flat
    return normals, mask


def _filtered(x: Floats, rows: Floats, columns: Floats) -> Floats:
    """Return the correlation with rows ⊗ columns without padding, which is smaller by the window's size minus 1."""
    windows = np.lib.stride_tricks.sliding_window_view
    along = windows(x, len(columns), axis=1) @ columns
    return np.asarray(windows(along, len(rows), axis=0) @ rows)


class Axes(NamedTuple):
    """Conversion of stored vectors to camera axes (x right, y down, z forward): component i is
    sign[i] · stored[order[i]].
    """

    order: tuple[int, int, int]
    sign: tuple[int, int, int]

    def applied(self, vectors: Array) -> Array:
        """Return (…, 3) vectors in camera axes."""
        return np.asarray(vectors[..., list(self.order)] * np.array(self.sign, np.float32))

    def __str__(self) -> str:
        """Return, for example, ``(x, -y, -z)``: the stored components in the order of camera axes."""
        return (
            "(" + ", ".join(("-" if s < 0 else "") + "xyz"[o] for o, s in zip(self.order, self.sign, strict=True)) + ")"
        )


def find_axes(pairs: Iterable[tuple[Labelled, Labelled]], where: str) -> tuple[Axes, float]:
    """Return the axes for which stored normals agree best with those from depth, and their mean cosine.

    ``pairs``: for some images, the stored normals and those from depth, each (H, W, 3) with its mask (H, W).
    Raises ``ValueError``, which names the folder ``where``, if they agree for no axes.
    """
    vectors = [
        (stored[stored_valid & computed_valid], computed[stored_valid & computed_valid])
        for (stored, stored_valid), (computed, computed_valid) in pairs
    ]
    stored, computed = (np.concatenate(side).astype(np.float64) for side in zip(*vectors, strict=True))
    cosines = computed.T @ stored / max(len(computed), 1)  # [i, j]: computed component i against the stored component j
    axes, agreement = max(
        (
            (Axes(order, sign), float(sum(sign[i] * cosines[i, order[i]] for i in range(3))))
            for order in permutations((0, 1, 2), 3)
            for sign in product((1, -1), (1, -1), (1, -1))
        ),
        key=lambda candidate: candidate[1],
    )
    if agreement < 0.7:
        raise ValueError(
            f"the normals in {where} do not fit the depth in any axes (mean cosine {agreement:.2f} at best): check "
            "that they belong to the same images, or move them away to continue without"
        )
    return axes, agreement
