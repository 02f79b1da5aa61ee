"""Three shadow maps, for near, middle and far, each drawn along the direction of the light."""

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from taskscape.streets.camera import View
from taskscape.streets.compiled import compiled, inlined
from taskscape.streets.ground import GROUND_COUNT
from taskscape.streets.materials import RAILING, TWIGS
from taskscape.streets.render.raster import fill
from taskscape.streets.render.transform import Mesh
from taskscape.streets.render.vectors import FloatArray, Vector
from taskscape.streets.shapes import LEAFY, length
from taskscape.streets.weather import Weather

CASCADES = ((0.5, 12.0), (12.0, 40.0), (40.0, 200.0))
"""Range of depths covered by each map, meters."""
_TEXELS = 512
_SMALLEST = (0.0, 0.12, 0.35)
"""Radius in meters below which parts cast no shadow in each map."""


class Shadows(NamedTuple):
    """Positions along the light of the surfaces closest to the light."""

    maps: npt.NDArray[np.float32]
    """Meters along the light, (3, 512, 512), or (0, 0, 0) if nothing casts a shadow."""
    basis: FloatArray
    """The axes of the maps and the direction towards the light, as rows in world axes, (3, 3)."""
    origin: FloatArray
    """Corner of each map along the first two axes in meters, (3, 2)."""
    scale: FloatArray
    """Texels per meter, (3, 2)."""
    offset: FloatArray
    """Distance in meters from a surface at which its light is looked up, (3,).

    It is slightly more than a texel, which prevents a surface from shadowing itself.
    """


@compiled
def _draw(
    mesh: Mesh, parts: npt.NDArray[np.void], bright: npt.NDArray[np.bool_], basis: FloatArray, origin: FloatArray,
    scale: FloatArray, smallest: float, points: FloatArray, heights: npt.NDArray[np.float32],
    unused: npt.NDArray[np.int32],
) -> None:  # fmt: skip
    size = heights.shape[0]
    for p in range(GROUND_COUNT, mesh.part_face.shape[0] - 1):
        radius = mesh.radius[p]
        if radius < smallest or bright[p - GROUND_COUNT]:
            continue
        cx, cy, cz = mesh.center[p, 0], mesh.center[p, 1], mesh.center[p, 2]
        x = cx * basis[0, 0] + cy * basis[0, 1] + cz * basis[0, 2]
        y = cx * basis[1, 0] + cy * basis[1, 1] + cz * basis[1, 2]
        x, y = (x - origin[0]) * scale[0], (y - origin[1]) * scale[1]
        reach_x, reach_y = radius * scale[0], radius * scale[1]
        if x < -reach_x or y < -reach_y or x > size + reach_x or y > size + reach_y:
            continue
        is_closed = int(parts[p - GROUND_COUNT].solid) not in LEAFY
        for v in range(mesh.part_vertex[p], mesh.part_vertex[p + 1]):
            for i in range(3):
                points[v, i] = (
                    mesh.vertices[v, 0] * basis[i, 0]
                    + mesh.vertices[v, 1] * basis[i, 1]
                    + mesh.vertices[v, 2] * basis[i, 2]
                )
            points[v, 0] = (points[v, 0] - origin[0]) * scale[0]
            points[v, 1] = (points[v, 1] - origin[1]) * scale[1]
        for f in range(mesh.part_face[p], mesh.part_face[p + 1]):
            a, b, c = mesh.faces[f, 0], mesh.faces[f, 1], mesh.faces[f, 2]
            dx, dy = points[b, 0] - points[a, 0], points[b, 1] - points[a, 1]
            if is_closed and dx * (points[c, 1] - points[a, 1]) < dy * (points[c, 0] - points[a, 0]):
                continue  # facing away from the light: another face of the solid is closer to it
            fill(
                points[a, 0], points[a, 1], points[a, 2], points[b, 0], points[b, 1], points[b, 2],
                points[c, 0], points[c, 1], points[c, 2], 0, heights, unused, False,
            )  # fmt: skip


def cast(mesh: Mesh, parts: npt.NDArray[np.void], view: View, weather: Weather) -> Shadows:
    """Return the shadow maps of a scene; empty maps if the light is too weak.

    ``parts``: records of ``assembly.PART`` for all parts except the ground, (P,).
    """
    light = np.array(weather.sun)
    first_axis = np.cross(light, (0.0, 0.0, 1.0))
    first_axis /= length(first_axis)
    basis = np.stack((first_axis, np.cross(light, first_axis), light))
    origin, scale = np.zeros((len(CASCADES), 2)), np.ones((len(CASCADES), 2))
    if max(weather.sunlight) <= 0.1:
        return Shadows(np.zeros((0, 0, 0), np.float32), basis, origin, scale, np.zeros(len(CASCADES)))
    maps = np.full((len(CASCADES), _TEXELS, _TEXELS), -1e9, np.float32)
    bright = (parts["texture"] == TWIGS) | (parts["texture"] == RAILING)  # lets nearly all light through
    points = np.empty_like(mesh.vertices)
    unused = np.zeros((0, 0), np.int32)
    half = math.tan(view.field_of_view / 2)
    right, ahead, down = view.rotation[0], view.rotation[2], np.array((0.0, 1.0, 0.0))
    for i, (near, far) in enumerate(CASCADES):
        corners = []
        for depth in (near, far):
            for side in (-1, 1):
                center = view.position + ahead * depth + right * (side * half * depth)
                # Objects at the top of the image are rarely in shadow, so six meters up are enough.
                corners += [center + down * (3.0 + 0.05 * depth), center - down * min(1 + 0.4 * depth, 6.0)]
        projected = np.array(corners) @ basis[:2].T
        # Round outwards to multiples of 1/8, which also hides differences in the last bits of the matrix product.
        low, high = np.floor(projected.min(0) * 8) / 8, np.ceil(projected.max(0) * 8) / 8
        origin[i], scale[i] = low, (_TEXELS - 1) / (high - low)
        _draw(mesh, parts, bright, basis, origin[i], scale[i], _SMALLEST[i], points, maps[i], unused)
    return Shadows(maps, basis, origin, scale, 0.02 + 1.2 * (1 / scale.min(1)))


@inlined
def light_at(shadows: Shadows, softness: float, depth: float, point: Vector, normal: Vector) -> float:
    """Return the share of the light, 0..1, that reaches a world point at ``depth`` meters with a unit normal."""
    cascade = 0 if depth < CASCADES[0][1] else (1 if depth < CASCADES[1][1] else 2)
    size = shadows.maps.shape[1]
    basis = shadows.basis
    step = shadows.offset[cascade]
    x, y, z = point[0] + normal[0] * step, point[1] + normal[1] * step, point[2] + normal[2] * step
    u = (x * basis[0, 0] + y * basis[0, 1] + z * basis[0, 2] - shadows.origin[cascade, 0]) * shadows.scale[cascade, 0]
    v = (x * basis[1, 0] + y * basis[1, 1] + z * basis[1, 2] - shadows.origin[cascade, 1]) * shadows.scale[cascade, 1]
    height = x * basis[2, 0] + y * basis[2, 1] + z * basis[2, 2] + 0.01
    heights = shadows.maps
    if softness > 1.0:
        # A wide, soft blocker search for the light of a cloudy sky, just under a meter across.
        spread_x, spread_y = 0.4 * shadows.scale[cascade, 0], 0.4 * shadows.scale[cascade, 1]
        lit = 0.0
        for i in range(-1, 2):
            for j in range(-1, 2):
                column, row = math.floor(u + i * spread_x + 0.5), math.floor(v + j * spread_y + 0.5)
                is_inside = column >= 0 and row >= 0 and column < size and row < size
                lit += 1.0 if not is_inside or heights[cascade, row, column] <= height else 0.0
        return lit / 9
    column, row = math.floor(u), math.floor(v)
    if column < 0 or row < 0 or column >= size - 1 or row >= size - 1:
        return 1.0
    a, b = u - column, v - row
    lit = 0.0
    if heights[cascade, row, column] <= height:
        lit += (1 - a) * (1 - b)
    if heights[cascade, row, column + 1] <= height:
        lit += a * (1 - b)
    if heights[cascade, row + 1, column] <= height:
        lit += (1 - a) * b
    if heights[cascade, row + 1, column + 1] <= height:
        lit += a * b
    return lit
