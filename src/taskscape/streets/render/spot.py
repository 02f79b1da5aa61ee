"""What a texture is told, and what it answers; and what several textures need."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from taskscape.streets.compiled import compiled
from taskscape.streets.render.modulo import modulo
from taskscape.streets.render.noise import noise, scatter

Look = tuple[float, float, float, float, float]
"""Red, green, blue albedo, gloss 0..1, glow (multiples of the albedo)."""


class RoadPaint(NamedTuple):
    """What is painted on the carriageway, and laid into it."""

    markings: npt.NDArray[np.float64]
    """(n, 2): lateral position in metres, 1 if dashed."""
    zebras: npt.NDArray[np.float64]
    """(n,) z of the zebra crossings."""
    rails: npt.NDArray[np.float64]
    """(n,) lateral positions of tram tracks' middles."""
    half_road: float
    lane_width: float
    junction: float
    half_junction: float
    seed: float


class Spot(NamedTuple):
    """A visible point. Lengths in metres, in the part's axes except for the world point."""

    material: int
    zone: int
    x: float
    up: float
    """Above the part's lower end."""
    z: float
    half_x: float
    height: float
    """Of the whole part."""
    half_z: float
    nx: float
    ny: float
    nz: float
    world_x: float
    world_y: float
    world_z: float
    lateral: float
    """Of the ground, metres right of the center line; 0 elsewhere."""
    seed: float
    """Of the part, 0..1000."""
    red: float
    green: float
    blue: float
    red2: float
    green2: float
    blue2: float
    footprint: float
    """Size of a pixel there."""


@compiled
def clamp(x: float) -> float:
    """Return x, at least 0 and at most 1."""
    return min(max(x, 0.0), 1.0)


@compiled
def near(distance: float, half: float, footprint: float) -> float:
    """Return how much of a line of this half width covers a spot, widened to what a pixel can show."""
    soft = 0.5 * footprint + 0.004
    return clamp((half + soft - abs(distance)) / (2 * soft)) * min(1.0, 0.15 + 2 * half / soft)


@compiled
def gray(spot: Spot, value: float, gloss: float) -> Look:
    """Return the part's own color, ``value`` times as bright."""
    return spot.red * value, spot.green * value, spot.blue * value, gloss, 0.0


@compiled
def bricks(spot: Spot, along: float, up: float, table: npt.NDArray[np.float32]) -> float:
    """Return the brightness of a brick wall."""
    row = up / 0.085
    brick = along / 0.26 + 0.5 * (int(row) % 2)
    fade = clamp(1.2 - spot.footprint * 14)
    value = 1 + 0.35 * (scatter(brick, row, spot.seed) - 0.5) * fade + 0.1 * noise(table, along * 3, up * 3)
    if modulo(row, 1.0) < 0.16 or modulo(brick, 1.0) < 0.07:
        value *= 1 + 0.35 * fade
    return value
