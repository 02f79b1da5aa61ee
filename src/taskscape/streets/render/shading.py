"""Light on surfaces: from what each sample sees to its colour and normal."""

import math

import numpy as np
import numpy.typing as npt

from taskscape.streets.camera import Camera
from taskscape.streets.classes import SKY
from taskscape.streets.compiled import compiled
from taskscape.streets.materials import FOLIAGE, GRASS
from taskscape.streets.render.noise import noise
from taskscape.streets.render.raster import Grid
from taskscape.streets.render.shadow import Shadows, light_at
from taskscape.streets.render.sky import sky_color
from taskscape.streets.render.textures import RoadPaint, Spot, surface
from taskscape.streets.render.transform import Mesh
from taskscape.streets.shapes import CROWN, CYLINDER, FAR_CROWN, LIMB, SPHERE, WHEEL
from taskscape.streets.weather import Weather

FloatArray = npt.NDArray[np.float64]
Vector = tuple[float, float, float]


@compiled
def _unit(x: float, y: float, z: float) -> Vector:
    length = math.sqrt(x * x + y * y + z * z) + 1e-30
    return x / length, y / length, z / length


@compiled
def _turn(matrix: FloatArray, x: float, y: float, z: float) -> Vector:
    """Return matrix @ (x, y, z)."""
    return (
        matrix[0, 0] * x + matrix[0, 1] * y + matrix[0, 2] * z,
        matrix[1, 0] * x + matrix[1, 1] * y + matrix[1, 2] * z,
        matrix[2, 0] * x + matrix[2, 1] * y + matrix[2, 2] * z,
    )


@compiled
def _turn_back(matrix: FloatArray, x: float, y: float, z: float) -> Vector:
    """Return matrix.T @ (x, y, z)."""
    return (
        matrix[0, 0] * x + matrix[1, 0] * y + matrix[2, 0] * z,
        matrix[0, 1] * x + matrix[1, 1] * y + matrix[2, 1] * z,
        matrix[0, 2] * x + matrix[1, 2] * y + matrix[2, 2] * z,
    )


@compiled
def _face_normal(mesh: Mesh, face: int) -> Vector:
    """Return the outward unit normal of a face."""
    a, b, c = mesh.faces[face, 0], mesh.faces[face, 1], mesh.faces[face, 2]
    ux, uy, uz = (
        mesh.vertices[b, 0] - mesh.vertices[a, 0],
        mesh.vertices[b, 1] - mesh.vertices[a, 1],
        mesh.vertices[b, 2] - mesh.vertices[a, 2],
    )
    vx, vy, vz = (
        mesh.vertices[c, 0] - mesh.vertices[a, 0],
        mesh.vertices[c, 1] - mesh.vertices[a, 1],
        mesh.vertices[c, 2] - mesh.vertices[a, 2],
    )
    return _unit(uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx)


@compiled
def _ground_normal(mesh: Mesh, face: int, x: float, y: float, z: float) -> tuple[float, float, float, float]:
    """Return the normal of the ground and its lateral position, interpolated between the face's vertices."""
    a, b, c = mesh.faces[face, 0], mesh.faces[face, 1], mesh.faces[face, 2]
    ux, uy, uz = (
        mesh.vertices[b, 0] - mesh.vertices[a, 0],
        mesh.vertices[b, 1] - mesh.vertices[a, 1],
        mesh.vertices[b, 2] - mesh.vertices[a, 2],
    )
    vx, vy, vz = (
        mesh.vertices[c, 0] - mesh.vertices[a, 0],
        mesh.vertices[c, 1] - mesh.vertices[a, 1],
        mesh.vertices[c, 2] - mesh.vertices[a, 2],
    )
    px, py, pz = x - mesh.vertices[a, 0], y - mesh.vertices[a, 1], z - mesh.vertices[a, 2]
    uu, uv, vv = ux * ux + uy * uy + uz * uz, ux * vx + uy * vy + uz * vz, vx * vx + vy * vy + vz * vz
    pu, pv = px * ux + py * uy + pz * uz, px * vx + py * vy + pz * vz
    scale = 1 / (uu * vv - uv * uv)
    second, third = (vv * pu - uv * pv) * scale, (uu * pv - uv * pu) * scale
    first = 1 - second - third
    at = mesh.attributes
    nx, ny, nz = _unit(
        first * at[a, 0] + second * at[b, 0] + third * at[c, 0],
        first * at[a, 1] + second * at[b, 1] + third * at[c, 1],
        first * at[a, 2] + second * at[b, 2] + third * at[c, 2],
    )
    return nx, ny, nz, first * at[a, 3] + second * at[b, 3] + third * at[c, 3]


@compiled
def _crown_normal(
    rotation: FloatArray, hx: float, hy: float, hz: float, from_x: float, from_y: float, from_z: float, rx: float,
    ry: float, rz: float,
) -> Vector:  # fmt: skip
    """Return the world normal where a ray enters a crown's ellipsoid, or passes closest to it.

    The ray starts at ``from`` and goes along ``r``, both in the crown's axes. Leaves stick out a little; the normal
    of the closest point continues that of the outline without a seam, and always faces the camera.
    """
    ox, oy, oz = from_x / hx, from_y / hy, from_z / hz
    dx, dy, dz = _unit(rx / hx, ry / hy, rz / hz)
    closest = -(ox * dx + oy * dy + oz * dz)
    cx, cy, cz = ox + closest * dx, oy + closest * dy, oz + closest * dz
    inside = max(1 - (cx * cx + cy * cy + cz * cz), 0.0)
    back = math.sqrt(inside)
    nx, ny, nz = (cx - back * dx) / hx, (cy - back * dy) / hy, (cz - back * dz) / hz
    nx, ny, nz = _turn(rotation, nx, ny, nz)
    return _unit(nx, ny, nz)


@compiled
def shade(
    parts: npt.NDArray[np.void], ground_parts: int, mesh: Mesh, view: FloatArray, position: FloatArray,
    camera: Camera, grid: Grid, inverse_depth: FloatArray, owner: npt.NDArray[np.int32], weather: Weather,
    paint: RoadPaint, lamps: FloatArray, shadows: Shadows, table: npt.NDArray[np.float32], looks: FloatArray,
    image: npt.NDArray[np.float32], normals: npt.NDArray[np.float32], labels: npt.NDArray[np.uint8],
    wet: npt.NDArray[np.float32], depth_map: npt.NDArray[np.float32],
) -> None:  # fmt: skip
    """Fill in ``image`` (every sample's radiance) and, at pixel centres, normals, labels, wetness and depth.

    ``looks``: (ground parts, 10) class, material, colour, second colour, seed of the ground parts. ``lamps``: (n, 3)
    world points of burning street lamps.
    """
    casts = shadows.maps.shape[0] > 0
    drift = paint.seed * 0.37
    density, offset = grid.density, grid.offset
    ax, ay, az = position[0], position[1], position[2]
    for row in range(grid.height):
        for column in range(grid.width):
            # The ray through the sample, of length 1 along the optical axis.
            rx = ((column - offset) / density - camera.cx) / camera.fx
            ry = ((row - offset) / density - camera.cy) / camera.fy
            dx, dy, dz = _turn_back(view, rx, ry, 1.0)
            centre = (row - offset) % density == 0 and (column - offset) % density == 0
            v, u = (row - offset) // density, (column - offset) // density
            length = math.sqrt(dx * dx + dy * dy + dz * dz)
            ex, ey, ez = dx / length, dy / length, dz / length
            face = owner[row, column]
            if face < 0:
                red, green, blue = sky_color(ex, ey, ez, weather, table, drift)
                image[row, column, 0], image[row, column, 1], image[row, column, 2] = red, green, blue
                if centre:
                    labels[v, u] = SKY
                continue
            depth = 1 / inverse_depth[row, column]
            x, y, z = ax + depth * dx, ay + depth * dy, az + depth * dz
            p = mesh.face_part[face]
            lateral = 0.0
            if p < ground_parts:
                nx, ny, nz, lateral = _ground_normal(mesh, face, x, y, z)
                look = looks[p]
                label, material, solid = int(look[0]), int(look[1]), 0
                spot = Spot(
                    material, 0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0, nx, ny, nz, x, y, z, lateral, look[8], look[2], look[3],
                    look[4], look[5], look[6], look[7], depth / camera.fx,
                )  # fmt: skip
                occlusion = 1.0
            else:
                part = parts[p - ground_parts]
                rotation, middle = mesh.rotation[p], mesh.centre[p]
                label, material, solid = int(part.label), int(part.texture), int(part.solid)
                lx, ly, lz = _turn_back(rotation, x - middle[0], y - middle[1], z - middle[2])
                hx, hy, hz = part.half_x, part.half_y, part.half_z
                if solid in (CROWN, FAR_CROWN):
                    qx, qy, qz = _turn_back(rotation, ax - middle[0], ay - middle[1], az - middle[2])
                    sx, sy, sz = _turn_back(rotation, dx, dy, dz)
                    nx, ny, nz = _crown_normal(rotation, hx, hy, hz, qx, qy, qz, sx, sy, sz)
                else:
                    nx, ny, nz = _face_normal(mesh, face)
                    tx, ty, tz = _turn_back(rotation, nx, ny, nz)
                    if solid == SPHERE:
                        tx, ty, tz = _unit(lx / hx**2, ly / hy**2, lz / hz**2)
                        nx, ny, nz = _turn(rotation, tx, ty, tz)
                    elif (solid in (CYLINDER, LIMB)) and abs(ly) < hy * 0.999:
                        tx, ty, tz = _unit(lx / hx**2, 0.0, lz / hz**2)
                        nx, ny, nz = _turn(rotation, tx, ty, tz)
                    elif solid == WHEEL and abs(lx) < hx * 0.999:
                        tx, ty, tz = _unit(0.0, ly / hy**2, lz / hz**2)
                        nx, ny, nz = _turn(rotation, tx, ty, tz)
                # Smooth normals of coarse solids can turn away from the camera at the outline.
                facing = nx * ex + ny * ey + nz * ez
                if facing > 0:
                    nx, ny, nz = _unit(nx - facing * ex, ny - facing * ey, nz - facing * ez)
                tx, ty, tz = _turn_back(rotation, nx, ny, nz)
                spot = Spot(
                    material, mesh.face_zone[face], lx, hy - ly, lz, hx, 2 * hy, hz, tx, ty, tz, x, y, z, 0.0,
                    part.seed * 1000, part.red, part.green, part.blue, part.red2, part.green2, part.blue2,
                    depth / camera.fx,
                )  # fmt: skip
                occlusion = 0.62 + 0.38 * min((hy - ly) / min(2 * hy, 2.0), 1.0)
                if solid in (CROWN, FAR_CROWN):
                    inner = math.sqrt((lx / hx) ** 2 + (ly / hy) ** 2 + (lz / hz) ** 2)
                    occlusion = min(0.35 + 0.65 * inner * inner, 1.1) * (0.8 - 0.25 * ly / hy)
            red, green, blue, gloss, glow = surface(spot, paint, weather.night, table)
            if glow > 0.5:
                gloss = 0.0
            wetness = 0.0
            if ny < -0.75 and material != FOLIAGE:
                if weather.snow > 0:
                    rough = noise(table, x * 3, z * 3) + 0.5 * noise(table, x * 17, z * 17)
                    tracks = 0.9 if label == 0 else -0.2
                    cover = min(max(weather.snow * 2.0 - tracks + 0.6 * rough, 0.0), 1.0) * 0.92
                    red += (0.86 - red) * cover
                    green += (0.88 - green) * cover
                    blue += (0.92 - blue) * cover
                elif weather.wetness > 0.1 and p < ground_parts:
                    puddle = min(max(weather.wetness * 1.6 - 0.6 + 0.35 * noise(table, x * 1.1, z * 1.1), 0.0), 1.0)
                    wetness = (0.35 + 0.65 * puddle) * weather.wetness
                    if material == GRASS:
                        wetness *= 0.25
                    dark = 1 - 0.45 * wetness
                    red, green, blue = red * dark, green * dark, blue * dark
                    gloss = 0.0
            # Light of the sky: more from above than from below.
            sky_share = weather.ambient * (0.62 - 0.38 * ny) * occlusion
            light_r = sky_share * (0.55 + 0.5 * weather.horizon[0] + 0.1 * weather.zenith[0])
            light_g = sky_share * (0.55 + 0.5 * weather.horizon[1] + 0.1 * weather.zenith[1])
            light_b = sky_share * (0.55 + 0.5 * weather.horizon[2] + 0.2 * weather.zenith[2])
            if weather.night > 0.5:
                dim = weather.horizon[2] * 1.1
                light_r, light_g, light_b = light_r * dim * 0.9, light_g * dim * 0.9, light_b * dim
            toward = nx * weather.sun[0] + ny * weather.sun[1] + nz * weather.sun[2]
            if solid in (CROWN, FAR_CROWN):
                toward = 0.25 + 0.75 * max(toward, 0.0)  # light passes through leaves
            lit = 0.0
            if toward > 0:
                lit = 1.0
                if casts:
                    lit = light_at(shadows, weather.softness, depth, x, y, z, nx, ny, nz)
                light_r += weather.sunlight[0] * toward * lit
                light_g += weather.sunlight[1] * toward * lit
                light_b += weather.sunlight[2] * toward * lit
            if casts and weather.softness > 1.0 and ny < -0.7:
                # Under a car the sky itself is hidden.
                hidden = 0.3 + 0.7 * lit
                light_r, light_g, light_b = light_r * hidden, light_g * hidden, light_b * hidden
            if weather.night > 0.5:
                for i in range(lamps.shape[0]):
                    qx, qy, qz = lamps[i, 0] - x, lamps[i, 1] - y, lamps[i, 2] - z
                    square = qx * qx + qy * qy + qz * qz + 0.5
                    if square < 900:
                        incident = (nx * qx + ny * qy + nz * qz) / math.sqrt(square)
                        power = (
                            weather.night * 14 * (0.25 + 0.75 * max(incident, 0.0)) * max(-qy, 0.0) / math.sqrt(square)
                        )
                        power /= square
                        light_r, light_g, light_b = light_r + power, light_g + 0.78 * power, light_b + 0.48 * power
                # The car's own headlights, below the camera.
                beam = max(ez * view[2, 2] + ex * view[2, 0], 0.0) ** 24
                power = (
                    6
                    * weather.night
                    * beam
                    * max(-(nx * ex + ny * (ey - 0.03) + nz * ez), 0.0)
                    / (8 + 0.12 * depth * depth)
                )
                light_r, light_g, light_b = light_r + power * 1.1, light_g + power, light_b + power * 0.9
            shine = glow * 1.4
            out_r, out_g, out_b = red * (light_r + shine), green * (light_g + shine), blue * (light_b + shine)
            if gloss > 0.04:
                cosine = -(ex * nx + ey * ny + ez * nz)
                share = gloss * (0.1 + 0.9 * (1 - min(max(cosine, 0.0), 1.0)) ** 4)
                mx, my, mz = ex + 2 * cosine * nx, ey + 2 * cosine * ny, ez + 2 * cosine * nz
                if my < 0.03:
                    sr, sg, sb = sky_color(mx, my, mz, weather, table, drift)
                    if my > -0.3:  # near the horizon stand houses
                        built = 0.55 * (my + 0.3) / 0.33
                        sr, sg, sb = sr * (1 - built), sg * (1 - built), sb * (1 - built)
                else:
                    sr, sg, sb = 0.16 * light_r + 0.02, 0.16 * light_g + 0.02, 0.16 * light_b + 0.02
                spark = max(mx * weather.sun[0] + my * weather.sun[1] + mz * weather.sun[2], 0.0)
                spark = lit * gloss * spark**60 * 1.5 if weather.softness < 1 else 0.0
                out_r += (sr - out_r) * share + spark * weather.sunlight[0]
                out_g += (sg - out_g) * share + spark * weather.sunlight[1]
                out_b += (sb - out_b) * share + spark * weather.sunlight[2]
            clear = math.exp(-weather.fog * depth * length)
            image[row, column, 0] = out_r * clear + weather.fog_color[0] * (1 - clear)
            image[row, column, 1] = out_g * clear + weather.fog_color[1] * (1 - clear)
            image[row, column, 2] = out_b * clear + weather.fog_color[2] * (1 - clear)
            if centre:
                cx, cy, cz = _turn(view, nx, ny, nz)
                normals[v, u, 0], normals[v, u, 1], normals[v, u, 2] = cx, cy, cz
                labels[v, u] = label
                depth_map[v, u] = depth
                wet[v, u] = wetness
