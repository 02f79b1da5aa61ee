"""Visibility: the nearest triangle at each sample and its depth."""

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from taskscape.streets.camera import Camera, View
from taskscape.streets.compiled import compiled
from taskscape.streets.ground import GROUND_COUNT
from taskscape.streets.render.transform import Mesh
from taskscape.streets.render.vectors import FloatArray
from taskscape.streets.shapes import LEAFY, SHEER

NEAR = 0.15
"""Distance of the near clipping plane, meters."""

_ROUNDING = 1e-6
"""Bound in samples on how far rounding moves the edge of a triangle."""


class Visible(NamedTuple):
    """The visible surfaces at each sample of a grid."""

    inverse_depth: FloatArray
    """1 / depth in 1/meters, 0 in the sky, (grid height, grid width)."""
    face: npt.NDArray[np.int32]
    """Index of the face, -1 in the sky, (grid height, grid width)."""
    sheer_inverse_depth: FloatArray
    """The same for the surface with holes in front, (grid height, grid width), or (0, 0) if the street has none."""
    sheer_face: npt.NDArray[np.int32]
    """Index of the face with holes, -1 where there is none, (grid height, grid width) or (0, 0)."""


class Grid(NamedTuple):
    """The samples of an image: sample (row, column) = density · (v, u) + offset for pixel coordinates (u, v).

    Pixel centers have integer coordinates and always have a sample, at density · u + offset. With an even density,
    neighboring pixels share the samples on their border, so each pixel is the trapezoidal mean of density + 1 samples
    along each axis.
    """

    height: int
    width: int
    density: int
    offset: int


def build_grid(height: int, width: int, density: int) -> Grid:
    """Return the samples of an image with density² samples per pixel."""
    return Grid(height * density, width * density, density, (density - 1) // 2 if density % 2 else 0)


@compiled
def _crossing(y: float, ax: float, ay: float, bx: float, by: float) -> float:
    return ax + (y - ay) / (by - ay) * (bx - ax)


@compiled
def fill(
    x0: float, y0: float, w0: float, x1: float, y1: float, w1: float, x2: float, y2: float, w2: float, index: int,
    nearest: npt.NDArray[np.generic], owner: npt.NDArray[np.int32], mark: bool,
) -> None:  # fmt: skip
    """Rasterize a triangle: keep the largest w in ``nearest`` and, if ``mark``, its ``index`` in ``owner``.

    Samples are at integer coordinates; w is linear over the triangle.
    """
    height, width = nearest.shape
    left, right = min(x0, x1, x2), max(x0, x1, x2)
    top, bottom = min(y0, y1, y2), max(y0, y1, y2)
    if right < 0 or bottom < 0 or left > width - 1 or top > height - 1:
        return
    # Most triangles are small and lie between two rows or columns of samples.
    first_row, last_row = max(0, math.ceil(top)), min(height, math.ceil(bottom)) - 1
    if first_row > last_row or math.ceil(left - _ROUNDING) > right + _ROUNDING:
        return
    area = (x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0)
    if area == 0.0:
        return
    dw_dx = ((w1 - w0) * (y2 - y0) - (w2 - w0) * (y1 - y0)) / area
    dw_dy = ((w2 - w0) * (x1 - x0) - (w1 - w0) * (x2 - x0)) / area
    origin_w, origin_x, origin_y = w0, x0, y0
    # Rotate the corners so that the first is the top one; then it is known which two edges a row of samples crosses.
    if y1 < y0 or y2 < y0:
        if y1 <= y2:
            x0, y0, x1, y1, x2, y2 = x1, y1, x2, y2, x0, y0
        else:
            x0, y0, x1, y1, x2, y2 = x2, y2, x0, y0, x1, y1
    middle = min(y1, y2)
    for row in range(first_row, last_row + 1):
        y = float(row)
        if y < middle:
            x_a, x_b = _crossing(y, x0, y0, x1, y1), _crossing(y, x2, y2, x0, y0)
        elif y1 <= y2:
            x_a, x_b = _crossing(y, x1, y1, x2, y2), _crossing(y, x2, y2, x0, y0)
        else:
            x_a, x_b = _crossing(y, x0, y0, x1, y1), _crossing(y, x1, y1, x2, y2)
        row_w = origin_w + (y - origin_y) * dw_dy - origin_x * dw_dx
        begin, end = max(0, math.ceil(min(x_a, x_b))), min(width, math.ceil(max(x_a, x_b)))
        if begin >= end:
            continue
        line = nearest[row, begin:end]  # a slice lets the compiler vectorize the loop
        if mark:
            owners = owner[row, begin:end]
            for i in range(line.shape[0]):
                w = row_w + (begin + i) * dw_dx
                if w > line[i]:
                    line[i] = w
                    owners[i] = index
        else:
            for i in range(line.shape[0]):
                w = row_w + (begin + i) * dw_dx
                if w > line[i]:
                    line[i] = w


@compiled
def _draw(
    mesh: Mesh, parts: npt.NDArray[np.void], view: View, camera: Camera, grid: Grid, points: FloatArray,
    polygon: FloatArray, inverse_depth: FloatArray, owner: npt.NDArray[np.int32], sheer: bool,
) -> None:  # fmt: skip
    """Draw all surfaces with holes, or all those without; ``points``, (V, 3), and ``polygon``, (3, 4), are buffers."""
    rotation, position = view.rotation, view.position
    fx, fy = camera.fx * grid.density, camera.fy * grid.density
    cx, cy = camera.cx * grid.density + grid.offset, camera.cy * grid.density + grid.offset
    # The side planes of the view, |x| < slope · z, and the factor of a sphere's radius for the test against them.
    slope_x = (max(cx, grid.width - cx) + 1) / fx
    slope_y = (max(cy, grid.height - cy) + 1) / fy
    lean_x, lean_y = math.sqrt(1 + slope_x * slope_x), math.sqrt(1 + slope_y * slope_y)
    px, py, pw = polygon[0], polygon[1], polygon[2]
    for p in range(mesh.part_face.shape[0] - 1):
        two_sided = False
        if p < GROUND_COUNT:
            if sheer:
                continue
        else:
            solid = int(parts[p - GROUND_COUNT].solid)
            if (solid in SHEER) != sheer:
                continue
            dx = mesh.center[p, 0] - position[0]
            dy = mesh.center[p, 1] - position[1]
            dz = mesh.center[p, 2] - position[2]
            x = rotation[0, 0] * dx + rotation[0, 1] * dy + rotation[0, 2] * dz
            y = rotation[1, 0] * dx + rotation[1, 1] * dy + rotation[1, 2] * dz
            z = rotation[2, 0] * dx + rotation[2, 1] * dy + rotation[2, 2] * dz
            radius = mesh.radius[p]
            is_outside = z + radius < NEAR
            is_outside |= abs(x) > slope_x * z + lean_x * radius
            is_outside |= abs(y) > slope_y * z + lean_y * radius
            if is_outside:
                continue
            two_sided = solid in LEAFY
        for v in range(mesh.part_vertex[p], mesh.part_vertex[p + 1]):
            dx = mesh.vertices[v, 0] - position[0]
            dy = mesh.vertices[v, 1] - position[1]
            dz = mesh.vertices[v, 2] - position[2]
            for i in range(3):
                points[v, i] = rotation[i, 0] * dx + rotation[i, 1] * dy + rotation[i, 2] * dz
        for f in range(mesh.part_face[p], mesh.part_face[p + 1]):
            a, b, c = mesh.faces[f, 0], mesh.faces[f, 1], mesh.faces[f, 2]
            za, zb, zc = points[a, 2], points[b, 2], points[c, 2]
            if za < NEAR and zb < NEAR and zc < NEAR:
                continue
            volume = (
                points[a, 0] * (points[b, 1] * zc - zb * points[c, 1])
                + points[a, 1] * (zb * points[c, 0] - points[b, 0] * zc)
                + za * (points[b, 0] * points[c, 1] - points[b, 1] * points[c, 0])
            )
            if volume >= 0 and not two_sided:  # back-facing
                continue
            count = 0
            for k in range(3):
                i, j = mesh.faces[f, k], mesh.faces[f, (k + 1) % 3]
                zi, zj = points[i, 2], points[j, 2]
                if zi >= NEAR:
                    px[count] = points[i, 0] / zi * fx + cx
                    py[count] = points[i, 1] / zi * fy + cy
                    pw[count] = 1 / zi
                    count += 1
                if (zi >= NEAR) != (zj >= NEAR):
                    share = (NEAR - zi) / (zj - zi)
                    px[count] = (points[i, 0] + share * (points[j, 0] - points[i, 0])) / NEAR * fx + cx
                    py[count] = (points[i, 1] + share * (points[j, 1] - points[i, 1])) / NEAR * fy + cy
                    pw[count] = 1 / NEAR
                    count += 1
            for k in range(1, count - 1):
                fill(
                    px[0], py[0], pw[0], px[k], py[k], pw[k], px[k + 1], py[k + 1], pw[k + 1], f, inverse_depth, owner,
                    True,
                )  # fmt: skip


def visible(mesh: Mesh, parts: npt.NDArray[np.void], view: View, camera: Camera, grid: Grid) -> Visible:
    """Return the visible surfaces at every sample."""
    size = grid.height, grid.width
    inverse_depth, face = np.zeros(size), np.full(size, -1, np.int32)
    sheer_inverse_depth, sheer_face = np.zeros((0, 0)), np.zeros((0, 0), np.int32)
    points, polygon = np.empty_like(mesh.vertices), np.empty((3, 4))
    _draw(mesh, parts, view, camera, grid, points, polygon, inverse_depth, face, False)
    if np.isin(parts["solid"], SHEER).any():
        sheer_inverse_depth, sheer_face = inverse_depth.copy(), np.full(size, -1, np.int32)
        _draw(mesh, parts, view, camera, grid, points, polygon, sheer_inverse_depth, sheer_face, True)
    return Visible(inverse_depth, face, sheer_inverse_depth, sheer_face)
