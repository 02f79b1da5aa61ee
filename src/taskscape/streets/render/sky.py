"""The sky: its color in every direction."""

import math

from taskscape.streets.compiled import compiled
from taskscape.streets.render.vectors import Vector
from taskscape.streets.weather import Weather


@compiled
def cloud_places(direction: Vector, drift: float) -> tuple[float, float, float, float]:
    """Return the positions in the noise table of the clouds in a direction, for two sizes; ``drift`` shifts them."""
    x, y, z = direction
    flat = 60 / (min(max(-y, 0.0), 1.0) + 0.12)
    return x * flat + drift, z * flat + drift * 0.3, x * flat * 3.3, z * flat * 3.3 + drift


@compiled
def sky_color(direction: Vector, billow: float, weather: Weather) -> Vector:
    """Return the radiance from a direction (unit vector, world axes); ``billow`` is the clouds' noise there."""
    x, y, z = direction
    up = min(max(-y, 0.0), 1.0)
    high = math.sqrt(up)
    toward = max(x * weather.sun[0] + y * weather.sun[1] + z * weather.sun[2], 0.0)
    toward *= toward
    toward *= toward
    toward *= toward
    halo = weather.glow * (0.35 * toward * toward + toward**8)
    red = weather.horizon[0] + (weather.zenith[0] - weather.horizon[0]) * high + halo
    green = weather.horizon[1] + (weather.zenith[1] - weather.horizon[1]) * high + 0.88 * halo
    blue = weather.horizon[2] + (weather.zenith[2] - weather.horizon[2]) * high + 0.65 * halo
    cover = min(max((billow + 3 * weather.clouds - 1.6) * 0.6, 0.0), 1.0) * min(0.3 + 3 * up, 0.85)
    # Clouds have the color of the horizon and are brighter towards the sun.
    bright = 1.02 + 0.3 * halo - 0.1 * billow * weather.clouds
    red += (weather.horizon[0] * bright - red) * cover
    green += (weather.horizon[1] * bright - green) * cover
    blue += (weather.horizon[2] * bright - blue) * cover
    return red, green, blue
