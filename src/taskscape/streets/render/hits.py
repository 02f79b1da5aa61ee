"""Hits: the points where camera rays meet surfaces, and the surfaces there."""

import math
from typing import Any, NamedTuple

import numpy as np

from taskscape.streets.camera import Camera
from taskscape.streets.compiled import compiled, inlined
from taskscape.streets.render.raster import Grid
from taskscape.streets.render.spot import Spot
from taskscape.streets.render.transform import Mesh
from taskscape.streets.render.vectors import (
    FloatArray,
    Matrix,
    Vector,
    dot,
    minus,
    rotate,
    rotate_back,
    unit,
    vector_at,
)
from taskscape.streets.shapes import CROWNS, CYLINDER, LIMB, SPHERE, WHEEL


class Ray(NamedTuple):
    """A ray from the camera, in world axes."""

    start: Vector
    """The camera's position."""
    step: Vector
    """The displacement along the ray per unit of depth."""
    length: float
    """Length of ``step``."""
    direction: Vector
    """Unit vector along the ray."""


class Hit(NamedTuple):
    """The surface at a sample."""

    spot: Spot
    label: int
    """Class id."""
    point: Vector
    """Point in world axes, meters."""
    normal: Vector
    """Unit vector in world axes, towards the camera's side."""
    occlusion: float
    """Share of the sky's light that reaches the surface, 0 … about 1."""
    ground: bool
    foliage: bool
    """Whether light passes through the surface, as through a crown."""


class Pose(NamedTuple):
    """The pose of a part in the world."""

    rotation: Matrix
    """Rotation from the part's axes to world axes."""
    center: Vector


class Plane(NamedTuple):
    """The first corner of a face, the edges to the other corners, and their products."""

    corner: Vector
    u: Vector
    v: Vector
    uu: float
    uv: float
    vv: float
    scale: float


NO_PLANE = Plane((0.0, 0.0, 0.0), (0.0, 0.0, 0.0), (0.0, 0.0, 0.0), 0.0, 0.0, 0.0, 0.0)

_Triangle = tuple[Vector, Vector, Vector]
"""Corners of a face, in world axes."""


def slopes(camera: Camera, grid: Grid) -> tuple[FloatArray, FloatArray]:
    """Return the slope to the right of the rays through the columns, (grid width,), and downwards through the rows.

    Slopes are per unit of depth.
    """
    u = (np.arange(grid.width) - grid.offset) / grid.density
    v = (np.arange(grid.height) - grid.offset) / grid.density
    return (u - camera.cx) / camera.fx, (v - camera.cy) / camera.fy


@compiled
def camera_rays(rotation: Matrix, right: FloatArray, y: float, rays: FloatArray) -> None:
    """Write a row of rays, (7, grid width or more): step, length, direction.

    ``right`` and ``y`` are the ``slopes`` of the columns and of the row. Divisions are faster in a separate loop.
    """
    for column in range(right.shape[0]):
        a, b, c = rotate_back(rotation, (right[column], y, 1.0))
        length = math.sqrt(a * a + b * b + c * c)
        rays[0, column], rays[1, column], rays[2, column], rays[3, column] = a, b, c, length
        rays[4, column], rays[5, column], rays[6, column] = a / length, b / length, c / length


@compiled
def ray_at(position: Vector, rays: FloatArray, column: int) -> Ray:
    """Return one ray of a row."""
    step = rays[0, column], rays[1, column], rays[2, column]
    return Ray(position, step, rays[3, column], (rays[4, column], rays[5, column], rays[6, column]))


@compiled
def point_on(ray: Ray, depth: float) -> Vector:
    """Return the point on a ray at a depth in meters."""
    start, step = ray.start, ray.step
    return start[0] + depth * step[0], start[1] + depth * step[1], start[2] + depth * step[2]


@compiled
def _triangle(mesh: Mesh, face: int) -> _Triangle:
    """Return the corners of a face."""
    a, b, c = mesh.faces[face, 0], mesh.faces[face, 1], mesh.faces[face, 2]
    return vector_at(mesh.vertices, a), vector_at(mesh.vertices, b), vector_at(mesh.vertices, c)


@compiled
def face_normal(mesh: Mesh, face: int) -> Vector:
    """Return the outward unit normal of a face."""
    corners = _triangle(mesh, face)
    ux, uy, uz = minus(corners[1], corners[0])
    vx, vy, vz = minus(corners[2], corners[0])
    return unit(uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx)


@compiled
def plane_of(mesh: Mesh, face: int) -> Plane:
    """Return the plane of a face."""
    corners = _triangle(mesh, face)
    u, v = minus(corners[1], corners[0]), minus(corners[2], corners[0])
    uu, uv, vv = dot(u, u), dot(u, v), dot(v, v)
    return Plane(corners[0], u, v, uu, uv, vv, 1 / (uu * vv - uv * uv))


@compiled
def _barycentric(plane: Plane, point: Vector) -> Vector:
    """Return the barycentric coordinates of a point in a face."""
    p = minus(point, plane.corner)
    pu, pv = dot(p, plane.u), dot(p, plane.v)
    second = (plane.vv * pu - plane.uv * pv) * plane.scale
    third = (plane.uu * pv - plane.uv * pu) * plane.scale
    return 1 - second - third, second, third


@compiled
def _half(part: Any) -> Vector:
    return part.half_x, part.half_y, part.half_z


@compiled
def is_crown(part: Any) -> bool:
    """Return whether a part is the crown of a plant."""
    return int(part.solid) in CROWNS


@inlined
def crown_normal(part: Any, pose: Pose, ray: Ray) -> Vector:
    """Return the normal where a ray enters the ellipsoid of a crown, or passes closest to it.

    Leaves extend slightly beyond the ellipsoid. There, the normal at the closest point continues that of the outline
    without a seam, and always faces the camera.
    """
    half = _half(part)
    start, step = rotate_back(pose.rotation, minus(ray.start, pose.center)), rotate_back(pose.rotation, ray.step)
    ox, oy, oz = start[0] / half[0], start[1] / half[1], start[2] / half[2]
    dx, dy, dz = unit(step[0] / half[0], step[1] / half[1], step[2] / half[2])
    closest = -(ox * dx + oy * dy + oz * dz)
    cx, cy, cz = ox + closest * dx, oy + closest * dy, oz + closest * dz
    half_chord_squared = max(1 - (cx * cx + cy * cy + cz * cz), 0.0)
    half_chord = math.sqrt(half_chord_squared)
    outward = (cx - half_chord * dx) / half[0], (cy - half_chord * dy) / half[1], (cz - half_chord * dz) / half[2]
    x, y, z = rotate(pose.rotation, outward)
    return unit(x, y, z)


@inlined
def solid_normal(part: Any, pose: Pose, flat: Vector, point: Vector) -> Vector:
    """Return the normal of any other solid at a point: smooth for round solids, ``flat`` for the others."""
    solid, half = int(part.solid), _half(part)
    p = rotate_back(pose.rotation, minus(point, pose.center))
    if solid == SPHERE:
        return rotate(pose.rotation, unit(p[0] / half[0] ** 2, p[1] / half[1] ** 2, p[2] / half[2] ** 2))
    if (solid in (CYLINDER, LIMB)) and abs(p[1]) < half[1] * 0.999:
        return rotate(pose.rotation, unit(p[0] / half[0] ** 2, 0.0, p[2] / half[2] ** 2))
    if solid == WHEEL and abs(p[0]) < half[0] * 0.999:
        return rotate(pose.rotation, unit(0.0, p[1] / half[1] ** 2, p[2] / half[2] ** 2))
    return flat


@compiled
def turned_to_camera(normal: Vector, direction: Vector) -> Vector:
    """Return the normal turned to the camera's side; smooth normals of coarse solids can face away at the outline."""
    away = dot(normal, direction)
    if away > 0:
        return unit(normal[0] - away * direction[0], normal[1] - away * direction[1], normal[2] - away * direction[2])
    return normal


@inlined
def ground_at(mesh: Mesh, face: int, plane: Plane, point: Vector) -> tuple[Vector, float]:
    """Return the normal and lateral position of the ground, interpolated between the vertices of a face."""
    first, second, third = _barycentric(plane, point)
    a, b, c = mesh.faces[face, 0], mesh.faces[face, 1], mesh.faces[face, 2]
    attributes = mesh.attributes
    normal = unit(
        first * attributes[a, 0] + second * attributes[b, 0] + third * attributes[c, 0],
        first * attributes[a, 1] + second * attributes[b, 1] + third * attributes[c, 1],
        first * attributes[a, 2] + second * attributes[b, 2] + third * attributes[c, 2],
    )
    return normal, first * attributes[a, 3] + second * attributes[b, 3] + third * attributes[c, 3]


@inlined
def ground_hit(looks: FloatArray, part: int, normal: Vector, lateral: float, point: Vector, footprint: float) -> Hit:
    """Return the surface of the ground at a point.

    ``looks``: see ``World.ground_looks``; ``footprint``: the size of a pixel at the point, meters.
    """
    spot = Spot(
        int(looks[part, 1]), 0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0, normal[0], normal[1], normal[2], point[0], point[1],
        point[2], lateral, looks[part, 5], looks[part, 2], looks[part, 3], looks[part, 4], 0.0, 0.0, 0.0, footprint,
    )  # fmt: skip
    return Hit(spot, int(looks[part, 0]), point, normal, 1.0, True, False)


@inlined
def part_hit(part: Any, pose: Pose, zone: int, normal: Vector, point: Vector, footprint: float) -> Hit:
    """Return the surface of a part at a point.

    ``part``: a record of ``assembly.PART``; ``zone``: the zone of the face; ``footprint``: the size of a pixel at the
    point, meters.
    """
    half = _half(part)
    # The point and the normal in the part's axes.
    p, n = rotate_back(pose.rotation, minus(point, pose.center)), rotate_back(pose.rotation, normal)
    up, height = half[1] - p[1], 2 * half[1]
    spot = Spot(
        int(part.texture), zone, p[0], up, p[2], half[0], height, half[2], n[0], n[1], n[2], point[0],
        point[1], point[2], 0.0, part.seed * 1000, part.red, part.green, part.blue, part.red2, part.green2, part.blue2,
        footprint,
    )  # fmt: skip
    is_leafy = is_crown(part)
    if is_leafy:
        relative_radius = math.sqrt((p[0] / half[0]) ** 2 + (p[1] / half[1]) ** 2 + (p[2] / half[2]) ** 2)
        occlusion = min(0.35 + 0.65 * relative_radius * relative_radius, 1.1) * (0.8 - 0.25 * p[1] / half[1])
    else:
        occlusion = 0.62 + 0.38 * min(up / min(height, 2.0), 1.0)
    return Hit(spot, int(part.label), point, normal, occlusion, False, is_leafy)
