"""Conversion of radiance to an image: resolve samples, add reflections in wet ground, expose, add noise."""

import math

import numpy as np
import numpy.typing as npt

from taskscape.streets.camera import Camera
from taskscape.streets.compiled import compiled, inlined
from taskscape.streets.render.noise import scatter
from taskscape.streets.render.raster import Grid
from taskscape.streets.render.vectors import Float32Array, FloatArray
from taskscape.streets.street import Exposure
from taskscape.streets.weather import Weather


@inlined
def _average(samples: Float32Array, density: int, offset: int, image: Float32Array) -> None:
    """Write the trapezoidal mean of the samples of each pixel."""
    half = density // 2
    for v in range(image.shape[0]):
        for u in range(image.shape[1]):
            red = green = blue = total = 0.0
            for i in range(-half, half + 1):
                row = max(v * density + offset + i, 0)
                for j in range(-half, half + 1):
                    column = max(u * density + offset + j, 0)
                    weight = 1.0
                    if density % 2 == 0:  # the border samples belong to two pixels
                        weight = (0.5 if abs(i) == half else 1.0) * (0.5 if abs(j) == half else 1.0)
                    # Clip each sample at the sensor's saturation, so that a bright lamp does not fill whole pixels.
                    red += weight * min(samples[0, row, column], 4.0)
                    green += weight * min(samples[1, row, column], 4.0)
                    blue += weight * min(samples[2, row, column], 4.0)
                    total += weight
            image[v, u, 0], image[v, u, 1], image[v, u, 2] = red / total, green / total, blue / total


@compiled
def _resolve(samples: Float32Array, grid: Grid, image: Float32Array) -> None:
    if grid.density == 2:  # the usual density; the compiler unrolls the loops if it is a constant
        _average(samples, 2, 0, image)
    else:
        _average(samples, grid.density, grid.offset, image)


def resolve(samples: Float32Array, grid: Grid) -> Float32Array:
    """Average the samples, (3, grid height, grid width), of each pixel, (H, W, 3).

    The trapezoidal rule over the area of a pixel keeps the mean centered.
    """
    height, width = grid.height // grid.density, grid.width // grid.density
    image = np.empty((height, width, 3), np.float32)
    _resolve(samples, grid, image)
    return image


@compiled
def mirror(
    image: Float32Array, depth: Float32Array, normals: Float32Array, wet: Float32Array, camera: Camera,
    weather: Weather, out: Float32Array,
) -> None:  # fmt: skip
    """Copy ``image`` to ``out`` with reflections in wet ground, by marching reflected rays through the depth image."""
    height, width = depth.shape
    for v in range(height):
        for u in range(width):
            out[v, u, 0], out[v, u, 1], out[v, u, 2] = image[v, u, 0], image[v, u, 1], image[v, u, 2]
            if wet[v, u] <= 0.02:
                continue
            z = depth[v, u]
            rx, ry = (u - camera.cx) / camera.fx, (v - camera.cy) / camera.fy
            x, y = rx * z, ry * z
            length = math.sqrt(rx * rx + ry * ry + 1)
            ex, ey, ez = rx / length, ry / length, 1 / length
            # Ripples are fixed per pixel and mostly along the view, as on real wet asphalt.
            ripple = (scatter(u, v, 1) - 0.5) * 0.035
            nx, ny, nz = normals[v, u, 0], normals[v, u, 1], normals[v, u, 2] + ripple
            cosine = -(ex * nx + ey * ny + ez * nz)
            mx, my, mz = ex + 2 * cosine * nx, ey + 2 * cosine * ny, ez + 2 * cosine * nz
            red, green, blue = weather.horizon
            step = 0.4
            distance = 0.3
            for _ in range(22):
                px, py, pz = x + mx * distance, y + my * distance, z + mz * distance
                if pz < 0.2:
                    break
                column, row = int(px / pz * camera.fx + camera.cx + 0.5), int(py / pz * camera.fy + camera.cy + 0.5)
                if column < 0 or column >= width or row < 0 or row >= height:
                    break
                surface_depth = depth[row, column]
                if (surface_depth == 0.0 and distance > 40) or (
                    0 < surface_depth < pz - 0.03 and pz < surface_depth + 1.0 + step
                ):
                    red, green, blue = image[row, column, 0], image[row, column, 1], image[row, column, 2]
                    break
                step *= 1.24
                distance += step
            share = wet[v, u] * (0.05 + 0.95 * (1 - min(max(cosine, 0.0), 1.0)) ** 4) * 0.9
            out[v, u, 0] += (red - out[v, u, 0]) * share
            out[v, u, 1] += (green - out[v, u, 1]) * share
            out[v, u, 2] += (blue - out[v, u, 2]) * share


@compiled
def _gaussian(state: int) -> tuple[float, int]:
    """Return an approximately normal number, from the sum of the four bytes of a hash, and the next state."""
    state = (state * 747796405 + 2891336453) & 0xFFFFFFFF
    word = ((state >> ((state >> 28) + 4)) ^ state) * 277803737 & 0xFFFFFFFF
    word = (word >> 22) ^ word
    total = (word & 255) + ((word >> 8) & 255) + ((word >> 16) & 255) + ((word >> 24) & 255)
    return (total - 510.0) / 147.8, state


@compiled
def _expose(
    image: Float32Array, column_falloff: FloatArray, balances: FloatArray, exposure: Exposure, seed: int,
    numbers: FloatArray, out: npt.NDArray[np.uint8],
) -> None:  # fmt: skip
    """See ``expose``.

    ``column_falloff`` is the contribution of columns to the vignette, ``numbers`` a buffer; both (3 W,).
    """
    tone = exposure.tone
    height, count = image.shape
    total = 0.0
    for v in range(height):
        for i in range(0, count, 3):
            total += image[v, i] + 2 * image[v, i + 1] + image[v, i + 2]
    mean = total / (4 * height * (count // 3))
    gain = exposure.target / (0.12 + mean)
    noise_gain = exposure.noise * min(max(gain, 0.7), 2.0)
    state = seed
    for v in range(height):
        for i in range(count):  # a separate loop, so that the one below can be vectorized
            numbers[i], state = _gaussian(state)
        row_falloff = ((v + 0.5) / height - 0.5) ** 2
        for i in range(count):
            x = image[v, i] * (gain * (1 - 0.35 * (row_falloff + column_falloff[i]))) * balances[i]
            x = x * tone[0] / (x + tone[1])
            # A square root approximates the display's gamma; unlike a power, it is exact on every machine.
            x = math.sqrt(max(x, 0.0))
            x += tone[2] * x * (1 - x) * (2 * x - 1)
            x += numbers[i] * noise_gain * (0.35 + x)
            out[v, i] = int(min(max(x, 0.0), 1.0) * 255 + 0.5)


def expose(image: Float32Array, exposure: Exposure, seed: int) -> npt.NDArray[np.uint8]:
    """Convert radiance to 8-bit RGB with auto exposure, vignette, tone curve, white balance, shot and read noise."""
    height, width = image.shape[:2]
    column_falloff = np.repeat(((np.arange(width) + 0.5) / width - 0.5) ** 2, 3)
    out = np.empty((height, 3 * width), np.uint8)
    balances = np.tile(exposure.balance, width)
    _expose(image.reshape(height, -1), column_falloff, balances, exposure, seed, np.empty(3 * width), out)
    return out.reshape(height, width, 3)
