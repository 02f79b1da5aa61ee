"""The solids that objects are built from, as triangle meshes in the cube [-1, 1]³.

Axes are those of an object seen from behind: x right, y down, z forward. Faces are wound so that (b - a) × (c - a)
points outwards. *Zones* distinguish faces of one solid with different materials, such as a car's glass.
"""

import math
from functools import cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int32]

(
    BOX, BEVELED, CYLINDER, SPHERE, WHEEL, LIMB, CROWN, FAR_CROWN, HULL, PANEL,
    SEDAN, HATCHBACK, ESTATE, VAN, COUPE, PICKUP, MINI, TALL, PANEL_VAN,
) = range(19)  # fmt: skip
"""The solids."""
LEAFY = (CROWN, FAR_CROWN)
"""Crowns of separate leaves, which have no inside."""
CROWNS = (*LEAFY, HULL)
SHEER = (HULL, PANEL)
"""Surfaces with holes through which the background is visible: crowns, railings.

In the labels, the holes belong to the surface, as in human annotations of photographs.
"""

# Zones.
BODY, GLASS = range(2)

_Point = tuple[float, float, float]
_Mesh = tuple[FloatArray, IntArray, IntArray]
"""Vertices (V, 3), faces (F, 3), zones (F,)."""


class Library(NamedTuple):
    """All S solids in one set of arrays; solid s has the vertices first_vertex[s] … first_vertex[s + 1] - 1."""

    vertices: FloatArray
    """(V, 3)"""
    faces: IntArray
    """Vertex indices relative to the solid's first vertex, (F, 3)."""
    zones: IntArray
    """(F,)"""
    first_vertex: IntArray
    """(S + 1,)"""
    first_face: IntArray
    """(S + 1,)"""


def _solid(vertices: list[_Point] | FloatArray, polygons: list[tuple[int, ...]]) -> _Mesh:
    """Triangulate the polygons of a convex solid around the origin, and orient every face outwards."""
    points = np.asarray(vertices, np.float64)
    faces = []
    for polygon in polygons:
        for i in range(1, len(polygon) - 1):
            a, b, c = polygon[0], polygon[i], polygon[i + 1]
            normal = np.cross(points[b] - points[a], points[c] - points[a])
            outward = normal @ (points[a] + points[b] + points[c]) > 0
            faces.append((a, b, c) if outward else (a, c, b))
    return points, np.array(faces, np.int32), np.zeros(len(faces), np.int32)


def _box() -> _Mesh:
    corners = [(x, y, z) for x in (-1.0, 1.0) for y in (-1.0, 1.0) for z in (-1.0, 1.0)]
    return _solid(corners, [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)])


def _beveled() -> _Mesh:
    """Return a box with beveled edges and corners, for realistic highlights on vehicles."""
    inner = 1 - 0.13
    signs = [(x, y, z) for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)]
    points = [
        tuple(s * (1.0 if i == axis else inner) for i, s in enumerate(sign)) for sign in signs for axis in range(3)
    ]
    index = {(sign, axis): 3 * i + axis for i, sign in enumerate(signs) for axis in range(3)}
    polygons: list[tuple[int, ...]] = [tuple(index[sign, axis] for axis in range(3)) for sign in signs]
    for axis in range(3):
        axis_u, axis_v = (i for i in range(3) if i != axis)
        for side in (-1, 1):  # the six faces
            corner = []
            for u, v in ((-1, -1), (-1, 1), (1, 1), (1, -1)):
                sign = [0, 0, 0]
                sign[axis], sign[axis_u], sign[axis_v] = side, u, v
                corner.append(index[(sign[0], sign[1], sign[2]), axis])
            polygons.append(tuple(corner))
        for u, v in ((-1, -1), (-1, 1), (1, 1), (1, -1)):  # the four edges along this axis
            low, high = [0, 0, 0], [0, 0, 0]
            low[axis], high[axis] = -1, 1
            low[axis_u] = high[axis_u] = u
            low[axis_v] = high[axis_v] = v
            a, b = (low[0], low[1], low[2]), (high[0], high[1], high[2])
            polygons.append((index[a, axis_u], index[b, axis_u], index[b, axis_v], index[a, axis_v]))
    return _solid(np.array(points), polygons)


def _cylinder(sides: int, along_x: bool = False) -> _Mesh:
    """Return a cylinder along y, or along x."""
    circle = [(math.cos(2 * math.pi * i / sides), math.sin(2 * math.pi * i / sides)) for i in range(sides)]
    points = np.array([(c, y, s) for y in (-1.0, 1.0) for c, s in circle])
    ring = range(sides)
    polygons: list[tuple[int, ...]] = [(i, (i + 1) % sides, (i + 1) % sides + sides, i + sides) for i in ring]
    polygons += [tuple(ring), tuple(i + sides for i in ring)]
    return _solid(points[:, [1, 0, 2]] if along_x else points, polygons)


def _between(a: _Point, b: _Point) -> _Point:
    """Return the point of the unit sphere in the middle between two others."""
    x, y, z = (p + q for p, q in zip(a, b, strict=True))
    norm = math.sqrt(x * x + y * y + z * z)
    return x / norm, y / norm, z / norm


def _sphere() -> _Mesh:
    """Return an icosahedron on the unit sphere, subdivided once."""
    g = (1 + math.sqrt(5)) / 2
    length = math.sqrt(1 + g * g)
    corners = [p for a in (-1.0, 1.0) for b in (-g, g) for p in ((a, b, 0.0), (0.0, a, b), (b, 0.0, a))]
    points = [(x / length, y / length, z / length) for x, y, z in corners]
    edge = 2 / length
    pairs = {
        (i, j) for i in range(12) for j in range(12) if i < j and abs(math.dist(points[i], points[j]) - edge) < 1e-9
    }
    midpoints = {}
    for i, j in sorted(pairs):
        midpoints[i, j] = len(points)
        points.append(_between(points[i], points[j]))
    polygons: list[tuple[int, ...]] = []
    triples = [(i, j, k) for i, j in sorted(pairs) for k in range(j + 1, 12)]
    for i, j, k in triples:
        if (i, k) in pairs and (j, k) in pairs:
            ij, ik, jk = midpoints[i, j], midpoints[i, k], midpoints[j, k]
            polygons += [(i, ij, ik), (j, ij, jk), (k, ik, jk), (ij, ik, jk)]
    return _solid(points, polygons)


def length(vector: FloatArray) -> float:
    """Return the length of a vector, bit-identical on every machine, unlike a BLAS dot product."""
    return math.sqrt(sum(c * c for c in vector.tolist()))


def _crown(leaves: int, size: float) -> _Mesh:
    """Return triangles of foliage scattered below the surface of the unit sphere, facing mostly outwards."""
    generator = np.random.Generator(np.random.PCG64(leaves))
    raw = generator.random((leaves, 9)) * 2 - 1
    points = []
    golden = math.pi * (3 - math.sqrt(5))
    for i in range(leaves):
        height = 1 - (2 * i + 1) / leaves
        ring = math.sqrt(1 - height * height)
        outward = np.array((ring * math.cos(golden * i), height, ring * math.sin(golden * i)))
        tilt = outward + 0.45 * raw[i, :3]
        u = np.cross(tilt, (0.3, 0.9, raw[i, 3]))
        u /= length(u)
        v = np.cross(tilt, u)
        v /= length(v)
        center = outward * (0.8 + 0.12 * raw[i, 4])
        long, wide = size * (1 + 0.3 * raw[i, 5]), size * (0.8 + 0.3 * raw[i, 6])
        base = center - u * long * 0.5
        points += [center + u * long, base + v * wide, base - v * wide]
    faces = np.arange(3 * leaves, dtype=np.int32).reshape(-1, 3)
    return np.array(points), faces, np.zeros(leaves, np.int32)


def _hull() -> _Mesh:
    """Return a sphere with dents and bumps, the outline of a crown: an icosahedron subdivided twice."""
    points, faces, _ = _sphere()
    vertices: list[_Point] = [(x, y, z) for x, y, z in points.tolist()]
    midpoints: dict[tuple[int, int], int] = {}

    def midpoint(i: int, j: int) -> int:
        key = (min(i, j), max(i, j))
        if key not in midpoints:
            midpoints[key] = len(vertices)
            vertices.append(_between(vertices[i], vertices[j]))
        return midpoints[key]

    polygons: list[tuple[int, ...]] = []
    for a, b, c in faces.tolist():
        ab, bc, ca = midpoint(a, b), midpoint(b, c), midpoint(c, a)
        polygons += [(a, ab, ca), (b, bc, ab), (c, ca, bc), (ab, bc, ca)]
    bumps = np.random.Generator(np.random.PCG64(7)).random(len(vertices))
    return _solid(np.array(vertices) * (0.84 + 0.24 * bumps)[:, None], polygons)


_SILL, _BELT, _ROOF = 0.96, 1.0, 0.74
"""Half widths of cars at these heights."""


def _car(lower: list[tuple[float, float]], cabin: list[tuple[float, float]], glass: tuple[int, ...]) -> _Mesh:
    """Return a car extruded from the side views of its body and cabin.

    ``lower`` and ``cabin`` are convex outlines of (forward, up) points, with up from 0 (the sill) to 1 (the roof); the
    first and last points of the cabin are on the body. ``glass`` has the edges of the cabin that are windscreens.
    """
    vertices: list[_Point] = []
    polygons: list[tuple[int, ...]] = []
    zones: list[int] = []
    belt = max(up for _, up in lower)

    def width(up: float) -> float:
        if up <= belt:
            return _SILL + (_BELT - _SILL) * up / belt
        return _BELT + (_ROOF - _BELT) * (up - belt) / (1 - belt)

    def hull(outline: list[tuple[float, float]], narrow: float, side_zone: int, edge_zones: list[int]) -> None:
        start, count = len(vertices), len(outline)
        for side in (-1, 1):
            vertices.extend((side * width(up) * narrow, 1 - 2 * up, forward) for forward, up in outline)
        polygons.extend((tuple(range(start, start + count)), tuple(range(start + count, start + 2 * count))))
        zones.extend((side_zone, side_zone))
        for i in range(count):
            j = (i + 1) % count
            polygons.append((start + i, start + j, start + j + count, start + i + count))
            zones.append(edge_zones[i])

    hull(lower, 1.0, BODY, [BODY] * len(lower))
    body_polygons = len(polygons)
    hull(cabin, 0.97, GLASS, [GLASS if i in glass else BODY for i in range(len(cabin))])
    # Both hulls are convex, but around different points: orient the faces of each separately.
    points = np.array(vertices)
    body_vertices = 2 * len(lower)
    body_center, cabin_center = points[:body_vertices].mean(0), points[body_vertices:].mean(0)
    body = _solid(points - body_center, polygons[:body_polygons])
    top = _solid(points - cabin_center, polygons[body_polygons:])
    face_zones = [z for z, p in zip(zones, polygons, strict=True) for _ in range(len(p) - 2)]
    return points, np.concatenate([body[1], top[1]]), np.array(face_zones, np.int32)


_OUTLINES = {
    SEDAN: (
        [(-1, 0.1), (-0.98, 0.5), (-0.9, 0.62), (-0.5, 0.64), (0.35, 0.64), (0.9, 0.54), (1, 0.4), (1, 0.1), (0.9, 0),
         (-0.92, 0)],
        [(-0.72, 0.6), (-0.42, 0.97), (-0.3, 1), (0.02, 1), (0.12, 0.97), (0.48, 0.6)], (0, 4),
    ),
    HATCHBACK: (
        [(-1, 0.1), (-1, 0.5), (-0.95, 0.6), (0.4, 0.62), (0.88, 0.52), (1, 0.36), (1, 0.1), (0.88, 0), (-0.9, 0)],
        [(-0.97, 0.58), (-0.78, 0.94), (-0.6, 1), (0.0, 1), (0.14, 0.96), (0.52, 0.59)], (0, 4),
    ),
    ESTATE: (
        [(-1, 0.1), (-1, 0.56), (-0.97, 0.62), (0.4, 0.63), (0.9, 0.58), (1, 0.45), (1, 0.1), (0.9, 0), (-0.92, 0)],
        [(-0.98, 0.6), (-0.9, 0.96), (-0.78, 1), (0.06, 1), (0.16, 0.97), (0.46, 0.61)], (0, 4),
    ),
    VAN: (
        [(-1, 0.08), (-1, 0.5), (-0.98, 0.54), (0.6, 0.55), (0.95, 0.42), (1, 0.3), (1, 0.08), (0.92, 0), (-0.95, 0)],
        [(-0.99, 0.52), (-0.97, 0.97), (-0.9, 1), (0.3, 1), (0.4, 0.97), (0.82, 0.5)], (4,),
    ),
    COUPE: (
        [(-1, 0.14), (-0.97, 0.6), (-0.85, 0.68), (0.3, 0.64), (0.85, 0.5), (1, 0.3), (1, 0.12), (0.9, 0), (-0.92, 0)],
        [(-0.8, 0.64), (-0.3, 0.96), (-0.16, 1), (0.0, 1), (0.08, 0.97), (0.46, 0.6)], (0, 4),
    ),
    PICKUP: (
        [(-1, 0.12), (-1, 0.52), (-0.97, 0.58), (0.45, 0.6), (0.92, 0.57), (1, 0.45), (1, 0.1), (0.92, 0), (-0.92, 0)],
        [(-0.22, 0.56), (-0.18, 0.96), (-0.1, 1), (0.2, 1), (0.28, 0.97), (0.5, 0.57)], (0, 4),
    ),
    MINI: (
        [(-1, 0.12), (-1, 0.48), (-0.94, 0.58), (0.45, 0.6), (0.82, 0.55), (0.97, 0.42), (1, 0.3), (1, 0.1), (0.88, 0),
         (-0.9, 0)],
        [(-0.95, 0.56), (-0.86, 0.9), (-0.7, 1), (0.1, 1), (0.26, 0.95), (0.62, 0.57)], (0, 4),
    ),
    TALL: (
        [(-1, 0.1), (-1, 0.5), (-0.97, 0.58), (0.5, 0.58), (0.9, 0.52), (1, 0.38), (1, 0.1), (0.9, 0), (-0.92, 0)],
        [(-0.98, 0.56), (-0.93, 0.95), (-0.82, 1), (0.16, 1), (0.28, 0.97), (0.66, 0.56)], (0, 4),
    ),
    PANEL_VAN: (
        [(-1, 0.06), (-1, 0.9), (-0.97, 1), (0.3, 1), (0.4, 0.96), (0.62, 0.6), (0.92, 0.46), (1, 0.36), (1, 0.08),
         (0.94, 0), (-0.95, 0)],
        [(0.3, 0.55), (0.32, 0.9), (0.4, 0.93), (0.46, 0.88), (0.64, 0.56)], (3,),
    ),
}  # fmt: skip
"""Side views of cars as (forward, up) points: body, cabin, and the edges of the cabin that are glass."""


@cache
def library() -> Library:
    """Return all solids."""
    meshes = {
        BOX: _box(),
        BEVELED: _beveled(),
        CYLINDER: _cylinder(10),
        SPHERE: _sphere(),
        WHEEL: _cylinder(14, along_x=True),
        CROWN: _crown(150, 0.27),
        FAR_CROWN: _crown(44, 0.48),
        LIMB: _cylinder(7),
        HULL: _hull(),
        PANEL: _box(),
    } | {solid: _car(*outline) for solid, outline in _OUTLINES.items()}
    ordered = [meshes[solid] for solid in sorted(meshes)]
    counts = np.array([(len(v), len(f)) for v, f, _ in ordered]).cumsum(0)
    offsets = np.concatenate([np.zeros((1, 2), np.int64), counts]).astype(np.int32)
    return Library(
        np.ascontiguousarray(np.concatenate([v for v, _, _ in ordered])),
        np.ascontiguousarray(np.concatenate([f for _, f, _ in ordered])),
        np.concatenate([z for _, _, z in ordered]),
        np.ascontiguousarray(offsets[:, 0]),
        np.ascontiguousarray(offsets[:, 1]),
    )
