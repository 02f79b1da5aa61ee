"""Trees, bushes and hedges."""

from taskscape.streets.assembly import Assembly, Point
from taskscape.streets.classes import VEGETATION
from taskscape.streets.colors import Color
from taskscape.streets.materials import BARK, FOLIAGE
from taskscape.streets.road import Road
from taskscape.streets.shapes import CROWN, CYLINDER, FAR_CROWN

_GREENS: tuple[Color, ...] = ((0.12, 0.24, 0.05), (0.16, 0.28, 0.06), (0.08, 0.17, 0.05), (0.2, 0.28, 0.08))
_AUTUMN: tuple[Color, ...] = ((0.45, 0.27, 0.06), (0.42, 0.16, 0.05), (0.5, 0.38, 0.09))
_FAR = 26.0
"""Distance in meters beyond which crowns have fewer, larger leaves."""


def _leaf_color(assembly: Assembly) -> Color:
    """Return a random color for the leaves of a plant."""
    dice = assembly.dice
    autumn = dice.chance(0.75 if assembly.shifted else 0.1)
    return dice.shade(dice.choice(_AUTUMN if autumn else _GREENS), 0.35)


def add_tree(assembly: Assembly, at: Point, size: float) -> None:
    """Add a round, a tall or a conical tree."""
    dice = assembly.dice
    color = _leaf_color(assembly)
    trunk = dice.uniform(1.5, 2.9) * size
    radius = dice.uniform(1.2, 2.5) * size
    trunk_radius = 0.06 + 0.045 * radius
    solid = CROWN if at[2] < _FAR else FAR_CROWN
    bark = dice.shade((0.17, 0.125, 0.09), 0.3)
    assembly.begin(VEGETATION, at, dice.uniform(0, 6.28))
    style = dice.random()
    lean = 0.05 * dice.normal()
    half = (trunk_radius, trunk * 0.7, trunk_radius)
    assembly.add(CYLINDER, (0, trunk * 0.65, 0), half, bark, BARK, pitch=lean, taper=(0.65, 0.65))
    if style < 0.16:  # a conifer: a stack of crowns
        for i in range(4):
            share = 1 - i * 0.23
            half = (radius * 0.8 * share, radius * 0.62, radius * 0.8 * share)
            center = (0.0, trunk * 0.5 + (i + 0.6) * radius * 0.75, 0.0)
            assembly.add(solid, center, half, dice.shade((0.06, 0.14, 0.07), 0.2), FOLIAGE)
        return
    aspect = 1.5 if style < 0.3 else dice.uniform(0.75, 1.05)
    middle = trunk + radius * aspect * 0.72
    assembly.add(solid, (0, middle, 0), (radius * 0.85, radius * aspect * 0.85, radius * 0.85), color, FOLIAGE)
    for _ in range(dice.integer(2, 4)):
        share = dice.uniform(0.45, 0.65)
        spread = 0.62 * radius
        center = (
            dice.uniform(-spread, spread),
            middle + 0.5 * radius * aspect * dice.uniform(-1, 1),
            dice.uniform(-spread, spread),
        )
        half = (radius * share, radius * share * 0.85, radius * share)
        assembly.add(solid, center, half, dice.shade(color, 0.22), FOLIAGE)
        fork = (center[0] / 2, (trunk + center[1]) / 2, center[2] / 2)
        branch = (trunk_radius * 0.4, abs(center[1] - trunk) / 2 + 0.2, trunk_radius * 0.4)
        assembly.add(CYLINDER, fork, branch, bark, BARK, pitch=-center[2] / 3, roll=center[0] / 3)


def add_bush(assembly: Assembly, at: Point) -> None:
    """Add a bush with one or two crowns."""
    dice = assembly.dice
    color = _leaf_color(assembly)
    radius = dice.uniform(0.45, 1.0)
    solid = CROWN if at[2] < 14 else FAR_CROWN
    assembly.begin(VEGETATION, at, dice.uniform(0, 6.28))
    assembly.add(solid, (0, radius * 0.7, 0), (radius, radius * 0.9, radius), color, FOLIAGE)
    if dice.chance(0.6):
        half = (radius * 0.7, radius * 0.65, radius * 0.7)
        assembly.add(solid, (radius * 0.8, radius * 0.5, 0.2), half, color, FOLIAGE)


def add_hedge(assembly: Assembly, road: Road, begin: float, end: float, lateral: float) -> None:
    """Add a trimmed hedge along the road: overlapping crowns of one color."""
    dice = assembly.dice
    color = _leaf_color(assembly)
    half = dice.uniform(0.45, 0.8)
    z = begin
    while z < end:
        length = 0.9 if z < 20 else 1.8
        assembly.begin(VEGETATION, road.on_ground(z + length / 2, lateral), road.yaw(z))
        solid = CROWN if z < 12 else FAR_CROWN
        assembly.add(solid, (0, half, 0), (0.5, half * 1.15, length * 0.85), dice.shade(color, 0.08), FOLIAGE)
        z += length
