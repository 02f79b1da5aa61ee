"""The input and output types of textures, and helpers that several textures use."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from taskscape.streets.compiled import compiled
from taskscape.streets.render.modulo import modulo
from taskscape.streets.render.noise import Table, noise, scatter

Look = tuple[float, float, float, float, float]
"""Red, green, blue albedo, gloss 0..1, glow (multiples of the albedo)."""


class RoadPaint(NamedTuple):
    """Markings on the carriageway, and tram rails in it."""

    markings: npt.NDArray[np.float64]
    """Lateral position in meters, and 1 if dashed, (n, 2)."""
    zebras: npt.NDArray[np.float64]
    """z of the zebra crossings, (n,)."""
    rails: npt.NDArray[np.float64]
    """Lateral positions of the middles of tram tracks, (n,)."""
    half_road: float
    lane_width: float
    junction: float
    half_junction: float
    seed: float


class Spot(NamedTuple):
    """A visible point. Lengths are in meters, and in the part's axes except for the world point."""

    material: int
    zone: int
    x: float
    up: float
    """Height above the lower end of the part."""
    z: float
    half_x: float
    height: float
    """Height of the whole part."""
    half_z: float
    nx: float
    ny: float
    nz: float
    world_x: float
    world_y: float
    world_z: float
    lateral: float
    """Position on the ground, meters right of the center line; 0 elsewhere."""
    seed: float
    """Seed of the part, 0..1000."""
    red: float
    green: float
    blue: float
    red2: float
    green2: float
    blue2: float
    footprint: float
    """Size of a pixel at the point."""


@compiled
def clamp(x: float) -> float:
    """Return x clamped to 0..1."""
    return min(max(x, 0.0), 1.0)


@compiled
def near(distance: float, half: float, footprint: float) -> float:
    """Return the coverage of a spot by a line of this half width, widened to what a pixel can show."""
    soft = 0.5 * footprint + 0.004
    return clamp((half + soft - abs(distance)) / (2 * soft)) * min(1.0, 0.15 + 2 * half / soft)


@compiled
def gray(spot: Spot, value: float, gloss: float) -> Look:
    """Return the color of the part, ``value`` times as bright."""
    return spot.red * value, spot.green * value, spot.blue * value, gloss, 0.0


@compiled
def bricks(spot: Spot, along: float, up: float, table: Table) -> float:
    """Return the brightness of a brick wall."""
    row = up / 0.085
    brick = along / 0.26 + 0.5 * (int(row) % 2)
    fade = clamp(1.2 - spot.footprint * 14)
    value = 1 + 0.35 * (scatter(brick, row, spot.seed) - 0.5) * fade + 0.1 * noise(table, along * 3, up * 3)
    if modulo(row, 1.0) < 0.16 or modulo(brick, 1.0) < 0.07:
        value *= 1 + 0.35 * fade
    return value
