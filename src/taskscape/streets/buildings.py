"""Buildings along the road. In their frame, right points away from a road to their left, and forward along the road."""

from taskscape.streets.assembly import Assembly
from taskscape.streets.classes import BUILDING
from taskscape.streets.colors import Color
from taskscape.streets.materials import BRICK, FACADE, GLASS_PANE, METAL, PLAIN, SHOP, STRIPES, TILES
from taskscape.streets.road import Road
from taskscape.streets.shapes import BOX

_WALLS: tuple[Color, ...] = (
    (0.55, 0.44, 0.32), (0.62, 0.59, 0.53), (0.36, 0.17, 0.12), (0.66, 0.6, 0.46), (0.38, 0.39, 0.42),
    (0.58, 0.45, 0.36), (0.3, 0.33, 0.37), (0.7, 0.68, 0.64), (0.5, 0.3, 0.22), (0.62, 0.52, 0.28),
)  # fmt: skip
_SHIFTED_WALLS: tuple[Color, ...] = (
    (0.3, 0.5, 0.45), (0.65, 0.35, 0.4), (0.2, 0.3, 0.5), (0.75, 0.6, 0.2), (0.15, 0.15, 0.17), (0.55, 0.65, 0.5),
)  # fmt: skip
_ROOFS: tuple[Color, ...] = ((0.33, 0.14, 0.09), (0.16, 0.16, 0.18), (0.26, 0.19, 0.15), (0.4, 0.2, 0.12))


def add_building(
    assembly: Assembly, road: Road, side: int, begin: float, end: float, setback: float, urban: float
) -> None:
    """Add a building on the plot from z = begin to end, ``setback`` meters behind the sidewalk on side -1 or 1."""
    dice = assembly.dice
    middle, half_length = (begin + end) / 2, (end - begin) / 2 * 0.99
    floors = dice.integer(1, 2) + int(urban * dice.uniform(0.5, 5.5))
    if assembly.shifted:
        floors = dice.integer(1, 9)
    height = floors * dice.uniform(2.9, 3.5) + 0.6
    half_depth = dice.uniform(4, 7)
    front_lateral = side * (road.edge(side) + setback)
    lateral = side * (road.edge(side) + setback + half_depth)
    wall = dice.shade(dice.choice(_SHIFTED_WALLS if assembly.shifted else _WALLS), 0.25)
    second = dice.color(0.05, 0.5)
    base = min(0.0, road.ground_up(lateral)) - 1.0
    assembly.begin(BUILDING, road.point(middle, lateral, road.ground_up(front_lateral)), road.yaw(middle))
    # The foundation extends into the ground, so there is no gap on a slope.
    assembly.add(BOX, (0, base / 2, 0), (half_depth, -base / 2, half_length), (0.4, 0.39, 0.37), PLAIN)
    assembly.add(BOX, (0, height / 2, 0), (half_depth, height / 2, half_length), wall, FACADE, second=second)
    front = -side * half_depth
    if dice.chance(0.5 - 0.25 * urban) or floors <= 2:
        rise = dice.uniform(1.2, 2.8)
        roof = dice.shade(dice.choice(_ROOFS), 0.25)
        ridge_along_road = dice.chance(0.75)
        taper = (0.04, 0.9) if ridge_along_road else (0.9, 0.04)
        assembly.add(
            BOX, (0, height + rise / 2, 0), (half_depth + 0.35, rise / 2, half_length + 0.02), roof, TILES, taper=taper
        )
        if dice.chance(0.6):
            center = (front * 0.3, height + rise * 0.8, half_length * dice.uniform(-0.6, 0.6))
            assembly.add(BOX, center, (0.3, rise * 0.5, 0.4), (0.33, 0.17, 0.13), BRICK)
        if ridge_along_road and dice.chance(0.5):  # dormers
            for i in range(dice.integer(1, 3)):
                center = (front * 0.62, height + rise * 0.42, half_length * (-0.6 + 0.6 * i))
                assembly.add(BOX, center, (0.9, 0.6, 0.65), wall, PLAIN)
                pane = (center[0] + 0.05 * front, center[1], center[2])
                assembly.add(BOX, pane, (0.75, 0.38, 0.4), (0.08, 0.09, 0.11), GLASS_PANE)
    else:
        assembly.add(
            BOX, (0, height + 0.2, 0), (half_depth + 0.15, 0.22, half_length + 0.02), dice.shade(wall, 0.3), PLAIN
        )
        if dice.chance(0.4):
            assembly.add(BOX, (0, height + 0.9, half_length * 0.3), (1.2, 0.7, 1.5), (0.45, 0.45, 0.46), METAL)
    if setback < 1.5 and dice.chance(0.35 + 0.4 * urban):
        shop = dice.color(0.08, 0.5)
        assembly.add(
            BOX, (front, 1.65, 0), (0.12, 1.65, half_length * 0.94), dice.shade((0.2, 0.2, 0.2), 0.6), SHOP, second=shop
        )
        if dice.chance(0.55):
            stripe = (0.8, 0.78, 0.72)
            center = (front - side * 0.7, 2.75, half_length * dice.uniform(-0.3, 0.3))
            assembly.add(BOX, center, (0.75, 0.04, half_length * 0.5), shop, STRIPES, second=stripe, roll=side * -0.28)
    if floors >= 3 and dice.chance(0.45):
        rail = dice.shade((0.25, 0.25, 0.26), 0.5)
        columns = dice.integer(1, 3)
        for i in range(columns):
            forward = half_length * ((i + 0.5) / columns * 1.6 - 0.8)
            for floor in range(1, min(floors, 5)):
                up = 0.2 + floor * height / floors
                assembly.add(BOX, (front - side * 0.5, up, forward), (0.55, 0.08, 1.1), dice.shade(wall, 0.1), PLAIN)
                assembly.add(BOX, (front - side * 1.0, up + 0.5, forward), (0.04, 0.45, 1.1), rail, METAL)
