"""Light on a surface from the sky, the sun and lamps, and the effect of weather on the surface."""

import math
from typing import NamedTuple

from taskscape.streets.classes import ROAD
from taskscape.streets.compiled import compiled, inlined
from taskscape.streets.materials import FOLIAGE, GRASS
from taskscape.streets.render.hits import Hit
from taskscape.streets.render.noise import Table, noise
from taskscape.streets.render.spot import Look
from taskscape.streets.render.vectors import FloatArray, Matrix, Vector, dot, minus, vector_at
from taskscape.streets.weather import Weather


class Coat(NamedTuple):
    """A surface under the influence of the weather."""

    color: Vector
    gloss: float
    wetness: float
    """How reflective the ground is, 0..1."""


@inlined
def weather_on(weather: Weather, table: Table, hit: Hit, look: Look) -> Coat:
    """Return a surface with the snow or water that the weather puts on surfaces facing up."""
    red, green, blue, gloss, glow = look
    material = hit.spot.material
    x, z = hit.point[0], hit.point[2]
    if glow > 0.5:
        gloss = 0.0
    wetness = 0.0
    if hit.normal[1] < -0.75 and material != FOLIAGE:
        if weather.snow > 0:
            rough = noise(table, x * 3, z * 3) + 0.5 * noise(table, x * 17, z * 17)
            tracks = 0.9 if hit.label == ROAD else -0.2
            cover = min(max(weather.snow * 2.0 - tracks + 0.6 * rough, 0.0), 1.0) * 0.92
            red += (0.86 - red) * cover
            green += (0.88 - green) * cover
            blue += (0.92 - blue) * cover
        elif weather.wetness > 0.1 and hit.ground:
            puddle = min(max(weather.wetness * 1.6 - 0.6 + 0.35 * noise(table, x * 1.1, z * 1.1), 0.0), 1.0)
            wetness = (0.35 + 0.65 * puddle) * weather.wetness
            if material == GRASS:
                wetness *= 0.25
            dark = 1 - 0.45 * wetness
            red, green, blue = red * dark, green * dark, blue * dark
            gloss = 0.0
    return Coat((red, green, blue), gloss, wetness)


@compiled
def skylight(weather: Weather, hit: Hit) -> Vector:
    """Return the light of the sky on a surface, more on one facing up than on one facing down."""
    share = weather.ambient * (0.62 - 0.38 * hit.normal[1]) * hit.occlusion
    red = share * (0.55 + 0.5 * weather.horizon[0] + 0.1 * weather.zenith[0])
    green = share * (0.55 + 0.5 * weather.horizon[1] + 0.1 * weather.zenith[1])
    blue = share * (0.55 + 0.5 * weather.horizon[2] + 0.2 * weather.zenith[2])
    if weather.night > 0.5:
        dim = weather.horizon[2] * 1.1
        red, green, blue = red * dim * 0.9, green * dim * 0.9, blue * dim
    return red, green, blue


@compiled
def toward_sun(weather: Weather, hit: Hit) -> float:
    """Return how much a surface faces the sun: 1 straight on, 0 or less if it faces away."""
    cosine = dot(hit.normal, weather.sun)
    return 0.25 + 0.75 * max(cosine, 0.0) if hit.foliage else cosine


@compiled
def sunlight(weather: Weather, toward: float, lit: float, light: Vector) -> Vector:
    """Return ``light`` plus the light of the sun.

    ``toward``: see ``toward_sun``, greater than 0; ``lit``: share of the sun's light that reaches the surface.
    """
    return (
        light[0] + weather.sunlight[0] * toward * lit,
        light[1] + weather.sunlight[1] * toward * lit,
        light[2] + weather.sunlight[2] * toward * lit,
    )


@compiled
def sky_hidden(weather: Weather, hit: Hit, lit: float, light: Vector) -> Vector:
    """Return ``light``, reduced where a cloudy sky is hidden, as under a car."""
    if weather.softness > 1.0 and hit.normal[1] < -0.7:
        share = 0.3 + 0.7 * lit
        return light[0] * share, light[1] * share, light[2] * share
    return light


@inlined
def lamplight(weather: Weather, lamps: FloatArray, hit: Hit, light: Vector) -> Vector:
    """Return ``light`` plus the light of the street lamps at the points ``lamps``, (n, 3)."""
    red, green, blue = light
    for i in range(lamps.shape[0]):
        to_lamp = minus(vector_at(lamps, i), hit.point)
        squared_distance = dot(to_lamp, to_lamp) + 0.5
        if squared_distance < 900:
            distance = math.sqrt(squared_distance)
            cosine = dot(hit.normal, to_lamp) / distance
            power = weather.night * 14 * (0.25 + 0.75 * max(cosine, 0.0)) * max(-to_lamp[1], 0.0) / distance
            power /= squared_distance
            red, green, blue = red + power, green + 0.78 * power, blue + 0.48 * power
    return red, green, blue


@compiled
def headlights(weather: Weather, rotation: Matrix, hit: Hit, direction: Vector, depth: float, light: Vector) -> Vector:
    """Return ``light`` plus the light of the car's own headlights, which are below the camera.

    ``rotation``: that of the camera; ``direction``: unit vector of the ray to the surface.
    """
    x, y, z = direction
    normal = hit.normal
    beam = max(z * rotation[2][2] + x * rotation[2][0], 0.0) ** 24
    incident = max(-(normal[0] * x + normal[1] * (y - 0.03) + normal[2] * z), 0.0)
    power = 6 * weather.night * beam * incident / (8 + 0.12 * depth * depth)
    return light[0] + power * 1.1, light[1] + power, light[2] + power * 0.9
