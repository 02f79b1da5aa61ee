"""Street furniture: lamps, traffic lights, signs, poles and bollards."""

from taskscape.streets.assembly import Assembly, Point
from taskscape.streets.classes import POLE, TRAFFIC_LIGHT, TRAFFIC_SIGN
from taskscape.streets.colors import Color, scaled
from taskscape.streets.dice import Dice
from taskscape.streets.materials import LAMP, METAL, NIGHT_LAMP, PLAIN, SIGN
from taskscape.streets.road import Road
from taskscape.streets.shapes import BEVELED, BOX, CYLINDER, SPHERE

_SIGNS: tuple[tuple[Color, Color], ...] = (
    ((0.75, 0.04, 0.05), (0.75, 0.04, 0.05)), ((0.75, 0.04, 0.05), (0.85, 0.85, 0.85)),
    ((0.05, 0.15, 0.55), (0.05, 0.15, 0.55)), ((0.85, 0.85, 0.85), (0.05, 0.15, 0.55)),
    ((0.85, 0.65, 0.04), (0.85, 0.65, 0.04)), ((0.05, 0.35, 0.15), (0.05, 0.35, 0.15)),
    ((0.75, 0.04, 0.05), (0.9, 0.7, 0.1)),
)  # fmt: skip
"""Colors of rim and field."""
_POLES: tuple[Color, ...] = ((0.32, 0.33, 0.34), (0.16, 0.18, 0.17), (0.5, 0.5, 0.5), (0.12, 0.16, 0.13))


def pole_color(dice: Dice) -> Color:
    """Return a random color for poles."""
    return dice.shade(dice.choice(_POLES), 0.25)


def add_lamps(
    assembly: Assembly, road: Road, side: int, begin: float, end: float, spacing: float, from_curb: float, color: Color,
    old: bool,
) -> list[Point]:  # fmt: skip
    """Add street lamps along the curb; return the world points of their lights."""
    lights = []
    z = begin
    while z < end:
        if not road.in_junction(z, 1.5):
            height = add_lamp(assembly, road.on_sidewalk(z, side, from_curb), road.yaw(z), side, color, old)
            lights.append(road.point(z, side * (road.half_road - (0 if old else 0.8)), height - 0.2))
        z += spacing
    return lights


def add_lamp(assembly: Assembly, at: Point, yaw: float, side: int, color: Color, old: bool) -> float:
    """Add a street lamp with an arm over the road from ``side``; return the height of its light in meters."""
    dice = assembly.dice
    assembly.begin(POLE, at, yaw)
    if old:
        assembly.add(CYLINDER, (0, 2.0, 0), (0.08, 2.0, 0.08), color, METAL, taper=(0.7, 0.7))
        assembly.add(CYLINDER, (0, 0.3, 0), (0.13, 0.3, 0.13), color, METAL)
        assembly.add(SPHERE, (0, 4.2, 0), (0.24, 0.28, 0.24), (0.9, 0.85, 0.7), NIGHT_LAMP)
        assembly.add(CYLINDER, (0, 4.5, 0), (0.22, 0.06, 0.22), color, METAL, taper=(0.3, 0.3))
        return 4.2
    height, arm = dice.uniform(6.0, 8.0), dice.uniform(0.8, 1.6)
    assembly.add(CYLINDER, (0, height / 2, 0), (0.1, height / 2, 0.1), color, METAL, taper=(0.65, 0.65))
    assembly.add(BOX, (-side * arm / 2, height + 0.08, 0), (arm / 2, 0.04, 0.045), color, METAL, roll=side * 0.1)
    assembly.add(BEVELED, (-side * arm, height + 0.14, 0), (0.36, 0.07, 0.14), color, METAL)
    assembly.add(BOX, (-side * arm, height + 0.06, 0), (0.28, 0.03, 0.1), (1.0, 0.85, 0.6), NIGHT_LAMP)
    return height


def _signal(assembly: Assembly, at: Point, size: float, state: int) -> None:
    """Add a signal head with three lamps that faces backwards (-z)."""
    right, up, forward = at
    black = (0.025, 0.03, 0.028)
    pole = assembly.relabel(TRAFFIC_LIGHT)
    assembly.add(BEVELED, (right, up, forward), (0.17 * size, 0.48 * size, 0.14 * size), black, PLAIN)
    assembly.add(BOX, (right, up, forward + 0.05 * size), (0.27 * size, 0.6 * size, 0.02), black, PLAIN)
    for i, color in enumerate(((1.0, 0.05, 0.03), (1.0, 0.55, 0.04), (0.05, 0.95, 0.4))):
        is_lit = i == state
        center = (right, up + (0.29 - 0.29 * i) * size, forward - 0.15 * size)
        half = (0.115 * size, 0.115 * size, 0.04 * size)
        assembly.add(SPHERE, center, half, color if is_lit else scaled(color, 0.1), LAMP if is_lit else PLAIN)
    assembly.relabel(pole)


def add_traffic_light(
    assembly: Assembly, at: Point, yaw: float, side: int, reach: float, color: Color, state: int
) -> None:
    """Add a traffic light at the curb; if ``reach`` > 0 meters, a second one hangs over the road from a mast."""
    size = assembly.dice.uniform(1.0, 1.4)
    assembly.begin(POLE, at, yaw)
    top = 5.6 if reach else 3.2
    assembly.add(CYLINDER, (0, top / 2, 0), (0.085, top / 2, 0.085), color, METAL, taper=(0.85, 0.85))
    _signal(assembly, (0, 2.75, -0.24), size, state)
    if reach:
        assembly.add(BOX, (-side * reach / 2, 5.5, 0), (reach / 2, 0.06, 0.06), color, METAL)
        _signal(assembly, (-side * reach, 5.2, -0.2), size * 1.1, state)
    if assembly.dice.chance(0.4):  # for pedestrians
        _signal(assembly, (side * 0.25, 2.2, 0), 0.6, 2 - state)


def add_sign(assembly: Assembly, at: Point, yaw: float, color: Color) -> None:
    """Add one or two traffic signs that face backwards, on a pole."""
    dice = assembly.dice
    assembly.begin(POLE, at, yaw)
    height = dice.uniform(2.2, 2.8)
    assembly.add(CYLINDER, (0, height / 2, 0), (0.04, height / 2, 0.04), color, METAL)
    up = height
    for _ in range(1 if dice.chance(0.6) else 2):
        size = dice.uniform(0.3, 0.45)
        rim, field = dice.choice(_SIGNS)
        shape = dice.random()
        half: Point = (size, size, 0.02)
        if shape < 0.45:
            # A flattened sphere serves as a disc, since the axis of a cylinder is vertical.
            assembly.add(SPHERE, (0, up, -0.06), (size, size, 0.025), rim, SIGN, second=field, label=TRAFFIC_SIGN)
        elif shape < 0.6:
            assembly.add(BOX, (0, up, -0.06), half, rim, SIGN, second=field, label=TRAFFIC_SIGN, taper=(0.06, 1.0))
        elif shape < 0.75:
            assembly.add(BOX, (0, up, -0.06), half, rim, SIGN, second=field, roll=0.7853982, label=TRAFFIC_SIGN)
        else:
            half = (size * dice.uniform(0.9, 1.6), size * dice.uniform(0.7, 1.2), 0.02)
            assembly.add(BOX, (0, up, -0.06), half, rim, SIGN, second=field, label=TRAFFIC_SIGN)
        up -= 0.75
        if up < 1.4:
            break


def add_gantry_sign(assembly: Assembly, at: Point, yaw: float, color: Color) -> None:
    """Add a large direction sign on two posts."""
    dice = assembly.dice
    half = (dice.uniform(0.9, 1.5), dice.uniform(0.5, 0.9), 0.04)
    back = dice.choice(((0.05, 0.14, 0.5), (0.05, 0.32, 0.15), (0.8, 0.62, 0.05), (0.85, 0.85, 0.85)))
    assembly.begin(POLE, at, yaw)
    up = dice.uniform(2.4, 3.4)
    for post in (-0.7, 0.7):
        assembly.add(CYLINDER, (post * half[0], up / 2, 0.08), (0.05, up / 2, 0.05), color, METAL)
    assembly.add(BOX, (0, up + half[1] * 0.6, 0), half, (0.85, 0.85, 0.85), SIGN, second=back, label=TRAFFIC_SIGN)


def add_bollard(assembly: Assembly, at: Point, color: Color) -> None:
    """Add a bollard."""
    assembly.begin(POLE, at)
    assembly.add(CYLINDER, (0, 0.45, 0), (0.07, 0.45, 0.07), color, METAL)
    assembly.add(CYLINDER, (0, 0.78, 0), (0.074, 0.05, 0.074), (0.75, 0.75, 0.72), PLAIN)


def add_utility_pole(assembly: Assembly, at: Point, yaw: float) -> None:
    """Add a wooden utility pole with a cross-arm."""
    brown = assembly.dice.shade((0.24, 0.18, 0.13))
    assembly.begin(POLE, at, yaw)
    assembly.add(CYLINDER, (0, 4.0, 0), (0.15, 4.0, 0.15), brown, PLAIN, taper=(0.7, 0.7))
    assembly.add(BOX, (0, 7.4, 0), (0.9, 0.06, 0.06), brown, PLAIN)
