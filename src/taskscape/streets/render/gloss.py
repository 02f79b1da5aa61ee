"""Reflections of glossy surfaces, and fog, for a row of samples at once."""

import numpy as np

from taskscape.streets.compiled import compiled
from taskscape.streets.render.noise import Table, noise
from taskscape.streets.render.sky import cloud_places, sky_color
from taskscape.streets.render.vectors import Float32Array, FloatArray, Vector, dot, reflected
from taskscape.streets.weather import Weather

NORMAL, GLOSS, LIGHT, LIT, MATT, CLEAR, DEPTH = 0, 3, 4, 7, 8, 11, 12
"""Rows of the values of each sample: unit normal (3 rows), gloss, light (3), share of the sun's light, radiance without
reflections (3), share of radiance that passes the fog, depth in meters."""
_PLACE, _UP, _BILLOW, ROWS = 13, 17, 18, 19


def empty_rows(count: int, width: int) -> FloatArray:
    """Return a buffer for ``count`` numbers of each sample of a row, filled with 0.

    Values that are never written are still multiplied by 0, so they must be finite. Rows are padded, as rows of 4096
    bytes would all map to the same few cache sets.
    """
    return np.zeros((count, width + 8))


@compiled
def put(samples: FloatArray, row: int, i: int, value: Vector) -> None:
    """Write a vector to three consecutive rows."""
    samples[row, i], samples[row + 1, i], samples[row + 2, i] = value


@compiled
def put_sky(samples: FloatArray, i: int) -> None:
    """Write a sample of the sky as a perfect mirror without normal, fog and depth, which shows the sky behind it."""
    for row in range(_PLACE):
        samples[row, i] = 0.0
    samples[GLOSS, i] = samples[CLEAR, i] = 1.0


@compiled
def _mirror(rays: FloatArray, samples: FloatArray, i: int) -> tuple[Vector, float]:
    """Return the direction that a surface reflects to the camera, and the cosine of the viewing angle."""
    direction = rays[4, i], rays[5, i], rays[6, i]
    normal = samples[NORMAL, i], samples[NORMAL + 1, i], samples[NORMAL + 2, i]
    cosine = -dot(direction, normal)
    return reflected(direction, normal, cosine), cosine


@compiled
def reflect(
    weather: Weather, table: Table, drift: float, rays: FloatArray, samples: FloatArray, row: int,
    radiance: Float32Array,
) -> None:  # fmt: skip
    """Write a row of radiances, including fog and the reflections of sky, houses, ground and sun.

    ``rays``: see ``camera_rays``; ``samples``: (ROWS, at least grid width); ``radiance``: (3, grid height, grid width).
    The first and the last loop have no branches, so the compiler can vectorize them.
    """
    sun = weather.sunlight if weather.softness < 1 else (0.0, 0.0, 0.0)
    for i in range(radiance.shape[2]):
        mirror, _ = _mirror(rays, samples, i)
        clouds = cloud_places(mirror, drift)
        samples[_PLACE, i], samples[_PLACE + 1, i], samples[_PLACE + 2, i], samples[_PLACE + 3, i] = clouds
        samples[_UP, i] = mirror[1]
    for i in range(radiance.shape[2]):
        # Only where the sky is visible, as the table is not in the fastest cache.
        if samples[GLOSS, i] > 0 and (samples[_UP, i] < 0.03 or samples[DEPTH, i] == 0):
            coarse = noise(table, samples[_PLACE, i], samples[_PLACE + 1, i])
            samples[_BILLOW, i] = coarse + 0.4 * noise(table, samples[_PLACE + 2, i], samples[_PLACE + 3, i])
    for i in range(radiance.shape[2]):
        mirror, cosine = _mirror(rays, samples, i)
        up, gloss, depth = mirror[1], samples[GLOSS, i], samples[DEPTH, i]
        light = samples[LIGHT, i], samples[LIGHT + 1, i], samples[LIGHT + 2, i]
        red, green, blue = sky_color(mirror, samples[_BILLOW, i], weather)
        # Directions near the horizon reflect houses, those below it the ground.
        clearing = 1 - 0.55 * (up + 0.3) / 0.33 if depth > 0 and up > -0.3 else 1.0
        red, green, blue = red * clearing, green * clearing, blue * clearing
        if depth > 0 and up >= 0.03:
            red, green, blue = 0.16 * light[0] + 0.02, 0.16 * light[1] + 0.02, 0.16 * light[2] + 0.02
        share = gloss * (0.1 + 0.9 * (1 - min(max(cosine, 0.0), 1.0)) ** 4)
        spark = samples[LIT, i] * gloss * max(dot(mirror, weather.sun), 0.0) ** 60 * 1.5
        clear = samples[CLEAR, i]
        matt = samples[MATT, i], samples[MATT + 1, i], samples[MATT + 2, i]
        red = matt[0] + ((red - matt[0]) * share + spark * sun[0])
        green = matt[1] + ((green - matt[1]) * share + spark * sun[1])
        blue = matt[2] + ((blue - matt[2]) * share + spark * sun[2])
        radiance[0, row, i] = red * clear + weather.fog_color[0] * (1 - clear)
        radiance[1, row, i] = green * clear + weather.fog_color[1] * (1 - clear)
        radiance[2, row, i] = blue * clear + weather.fog_color[2] * (1 - clear)
