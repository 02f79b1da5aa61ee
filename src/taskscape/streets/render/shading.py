"""Shading: the radiance of the visible face at each sample, and normal and albedo at pixel centers."""

import math
from typing import Any, NamedTuple

import numpy as np

from taskscape.streets.camera import Camera, View
from taskscape.streets.compiled import compiled, inlined
from taskscape.streets.ground import GROUND_COUNT
from taskscape.streets.render import gloss, hits, lighting
from taskscape.streets.render.hits import NO_PLANE, Hit, Pose, Ray
from taskscape.streets.render.noise import Table, scatter
from taskscape.streets.render.raster import Grid, Visible
from taskscape.streets.render.shadow import light_at
from taskscape.streets.render.spot import Look, RoadPaint, clamp
from taskscape.streets.render.textures import cover, ground, surface
from taskscape.streets.render.vectors import (
    Float32Array,
    FloatArray,
    Vector,
    dot,
    matrix_at,
    matrix_of,
    rotate,
    vector_at,
)
from taskscape.streets.render.world import World


class Frame(NamedTuple):
    """The output of shading: values per sample, or per pixel at its center.

    In the sky, everything but the radiance is 0.
    """

    radiance: Float32Array
    """Relative, linear radiance of every sample, (3, grid height, grid width)."""
    normals: Float32Array
    """Unit vectors towards the camera's side, in camera axes, (H, W, 3)."""
    albedo: Float32Array
    """Share of red, green and blue light that the surface reflects, linear, 0..1, (H, W, 3)."""
    wetness: Float32Array
    """How reflective the ground is, 0..1, (H, W)."""


def empty_frame(grid: Grid) -> Frame:
    """Return a frame for ``shade`` to write to."""
    height, width = grid.height // grid.density, grid.width // grid.density
    return Frame(
        np.empty((3, grid.height, grid.width), np.float32),
        np.zeros((height, width, 3), np.float32),
        np.zeros((height, width, 3), np.float32),
        np.zeros((height, width), np.float32),
    )


@inlined
def _look(hit: Hit, paint: RoadPaint, night: float, table: Table, town: int | None) -> Look:
    """Return the color, gloss and glow of the surface that was hit."""
    return ground(hit.spot, paint, table, town) if hit.ground else surface(hit.spot, night, table, town)


@compiled
def _albedo(look: Look) -> Vector:
    return clamp(look[0]), clamp(look[1]), clamp(look[2])


@compiled
def _lit(color: Vector, light: Vector, glow: float) -> Vector:
    """Return the radiance of a matte surface with this color in this light."""
    shine = glow * 1.4
    return color[0] * (light[0] + shine), color[1] * (light[1] + shine), color[2] * (light[2] + shine)


@compiled
def _write(image: Float32Array, row: int, column: int, value: Vector) -> None:
    image[row, column, 0], image[row, column, 1], image[row, column, 2] = value


@inlined
def _surface_of(record: Any, pose: Pose, zone: int, flat: Vector, ray: Ray, point: Vector, footprint: float) -> Hit:
    """Return the surface of a part, a record of ``assembly.PART``, at a point on a face with the normal ``flat``."""
    if hits.is_crown(record):
        normal = hits.crown_normal(record, pose, ray)
    else:
        normal = hits.solid_normal(record, pose, flat, point)
    normal = hits.turned_to_camera(normal, ray.direction)
    return hits.part_hit(record, pose, zone, normal, point, footprint)


@compiled
def _shade(
    world: World, view: View, camera: Camera, grid: Grid, right: FloatArray, down: FloatArray, rays: FloatArray,
    samples: FloatArray, visible: Visible, frame: Frame, town: int | None,
) -> None:  # fmt: skip
    """Write ``frame``; ``right``, ``down``: ``slopes`` of the rays; ``rays``, ``samples``: buffers for a row of them.

    ``town`` is 0, or None if the street has neither surfaces with holes nor materials from ``town.py``. Branches for an
    argument of type None are removed at compilation, so classic streets neither compile nor run that code.
    """
    mesh, parts, looks = world.mesh, world.parts, world.ground_looks
    weather, paint, shadows, lamps = world.weather, world.paint, world.shadows, world.lamps
    table, drift = world.noise, world.drift
    faces, inverse_depth = visible.face, visible.inverse_depth
    sheer_faces, sheer_inverse_depth = visible.sheer_face, visible.sheer_inverse_depth
    has_sheer = sheer_faces.shape[0] > 0
    normals, albedo, wetness = frame.normals, frame.albedo, frame.wetness
    has_shadows = shadows.maps.shape[0] > 0
    position, rotation = (view.position[0], view.position[1], view.position[2]), matrix_of(view.rotation)
    current_face, flat, plane = -1, (0.0, 0.0, 0.0), NO_PLANE
    for row in range(grid.height):
        is_center_row = (row - grid.offset) % grid.density == 0
        v = (row - grid.offset) // grid.density
        hits.camera_rays(rotation, right, down[row], rays)
        u, next_center = -1, grid.offset
        for column in range(grid.width):
            ray = hits.ray_at(position, rays, column)
            face, nearness = faces[row, column], inverse_depth[row, column]
            is_center = column == next_center
            if is_center:
                u, next_center = u + 1, next_center + grid.density
            is_center = is_center and is_center_row
            if town is not None and has_sheer and sheer_faces[row, column] >= 0:
                sheer_depth, sheer_face = 1 / sheer_inverse_depth[row, column], sheer_faces[row, column]
                part = mesh.face_part[sheer_face]
                pose = Pose(matrix_at(mesh.rotation, part), vector_at(mesh.center, part))
                record, normal = parts[part - GROUND_COUNT], hits.face_normal(mesh, sheer_face)
                point, footprint = hits.point_on(ray, sheer_depth), sheer_depth / camera.fx
                front = _surface_of(record, pose, mesh.face_zone[sheer_face], normal, ray, point, footprint)
                facing = -dot(front.normal, ray.direction)
                if cover(front.spot, facing, table) > scatter(row, column, 5):
                    face, nearness = sheer_face, sheer_inverse_depth[row, column]
                elif is_center:  # a hole: the image shows the background, but the labels are those of the surface
                    is_center = False
                    _write(normals, v, u, rotate(rotation, front.normal))
                    _write(albedo, v, u, _albedo(surface(front.spot, 0.0, table, town)))
            if face < 0:
                gloss.put_sky(samples, column)
                continue
            depth = 1 / nearness
            point, footprint = hits.point_on(ray, depth), depth / camera.fx
            part = mesh.face_part[face]
            if part < GROUND_COUNT:
                if face != current_face:  # usually the same as for the previous sample
                    current_face, plane = face, hits.plane_of(mesh, face)
                normal, lateral = hits.ground_at(mesh, face, plane, point)
                hit = hits.ground_hit(looks, part, normal, lateral, point, footprint)
            else:
                record = parts[part - GROUND_COUNT]
                pose = Pose(matrix_at(mesh.rotation, part), vector_at(mesh.center, part))
                if face != current_face and not hits.is_crown(record):
                    current_face, flat = face, hits.face_normal(mesh, face)
                hit = _surface_of(record, pose, mesh.face_zone[face], flat, ray, point, footprint)
            look = _look(hit, paint, weather.night, table, town)
            coat = lighting.weather_on(weather, table, hit, look)
            light = lighting.skylight(weather, hit)
            toward = lighting.toward_sun(weather, hit)
            lit = 0.0
            if toward > 0:
                lit = light_at(shadows, weather.softness, depth, hit.point, hit.normal) if has_shadows else 1.0
                light = lighting.sunlight(weather, toward, lit, light)
            if has_shadows:
                light = lighting.sky_hidden(weather, hit, lit, light)
            if weather.night > 0.5:
                light = lighting.lamplight(weather, lamps, hit, light)
                light = lighting.headlights(weather, rotation, hit, ray.direction, depth, light)
            gloss.put(samples, gloss.NORMAL, column, hit.normal)
            gloss.put(samples, gloss.LIGHT, column, light)
            gloss.put(samples, gloss.MATT, column, _lit(coat.color, light, look[4]))
            samples[gloss.GLOSS, column] = coat.gloss if coat.gloss > 0.04 else 0.0
            samples[gloss.LIT, column], samples[gloss.DEPTH, column] = lit, depth
            samples[gloss.CLEAR, column] = math.exp(-weather.fog * depth * ray.length)
            if is_center:
                _write(normals, v, u, rotate(rotation, hit.normal))
                if weather.night > 0 and not hit.ground:  # albedo is the color by day, without lit windows
                    look = _look(hit, paint, 0.0, table, town)
                _write(albedo, v, u, _albedo(look))
                wetness[v, u] = coat.wetness
        gloss.reflect(weather, table, drift, rays, samples, row, frame.radiance)


def shade(
    world: World, view: View, camera: Camera, grid: Grid, visible: Visible, frame: Frame, town: int | None
) -> None:
    """Write ``frame``; ``town``: see ``_shade``."""
    rays, samples = gloss.empty_rows(7, grid.width), gloss.empty_rows(gloss.ROWS, grid.width)
    _shade(world, view, camera, grid, *hits.slopes(camera, grid), rays, samples, visible, frame, town)
