"""Houses: rows of one design, single houses, shops and large buildings.

In their frame, right points away from a road to their left, and forward along the road.
"""

from typing import NamedTuple

from taskscape.streets.assembly import Assembly
from taskscape.streets.classes import BUILDING, TRAFFIC_SIGN
from taskscape.streets.colors import Color
from taskscape.streets.dice import Dice
from taskscape.streets.materials import (
    BRICK,
    FACADE,
    GLASS_PANE,
    HOUSE_FRONT,
    METAL,
    PLAIN,
    SHOP_FRONT,
    SIGN,
    STRIPES,
    TILES,
)  # fmt: skip
from taskscape.streets.road import Road
from taskscape.streets.shapes import BOX, CYLINDER, SPHERE

_BRICKS: tuple[Color, ...] = (
    (0.42, 0.34, 0.21), (0.36, 0.29, 0.19), (0.3, 0.24, 0.17), (0.3, 0.15, 0.1), (0.36, 0.19, 0.13), (0.22, 0.14, 0.1),
    (0.26, 0.22, 0.18),
)  # fmt: skip
_PLASTER: tuple[Color, ...] = (
    (0.66, 0.64, 0.6), (0.72, 0.71, 0.68), (0.6, 0.53, 0.4), (0.5, 0.44, 0.33), (0.42, 0.42, 0.42), (0.55, 0.5, 0.45),
    (0.3, 0.29, 0.28), (0.55, 0.42, 0.36),
)  # fmt: skip
_ROOFS: tuple[Color, ...] = ((0.13, 0.13, 0.15), (0.1, 0.1, 0.11), (0.24, 0.13, 0.09), (0.18, 0.14, 0.11))
_JOINERY: tuple[Color, ...] = (
    (0.03, 0.03, 0.03), (0.06, 0.06, 0.065), (0.1, 0.03, 0.03), (0.03, 0.07, 0.05), (0.04, 0.06, 0.12),
    (0.5, 0.5, 0.48), (0.25, 0.16, 0.09), (0.02, 0.12, 0.12),
)  # fmt: skip


class Design(NamedTuple):
    """The common properties of the houses of a row."""

    wall: Color
    door: Color
    roof: Color
    seed: float
    """Seed of the walls' texture, 0..1."""
    floors: int
    height: float
    depth: float
    """Half the depth, meters."""
    rise: float
    """Height of the roof in meters; 0 is flat."""
    bay: bool
    """Whether the houses have bay windows."""
    chimneys: bool
    material: int
    """Material of the walls."""


def choose_design(dice: Dice, floors: int) -> Design:
    """Return a random design for houses with this number of floors."""
    draw = dice.random()
    is_brick = draw < 0.55
    # The kind of texture is int(1000 · seed) % 8: 0 … 3 are brick, 4 … 7 plaster, stone and glass.
    number = dice.integer(0, 124) * 8 + (dice.integer(0, 3) if is_brick else dice.integer(4, 7))
    is_modern = number % 8 == 7
    return Design(
        wall=dice.shade(dice.choice(_BRICKS if is_brick else _PLASTER), 0.3),
        door=dice.shade(dice.choice(_JOINERY), 0.4),
        roof=dice.shade(dice.choice(_ROOFS), 0.25),
        seed=(number + 0.9 * dice.random()) / 1000,
        floors=floors,
        height=floors * dice.uniform(2.75, 3.3) + 0.3,
        depth=dice.uniform(3.8, 6.5),
        rise=0.0 if is_modern or (floors > 2 and dice.chance(0.4)) else dice.uniform(1.3, 3.0),
        bay=not is_modern and dice.chance(0.35),
        chimneys=not is_modern and dice.chance(0.75),
        material=FACADE if is_modern and dice.chance(0.4) else HOUSE_FRONT,
    )


def add_house(
    assembly: Assembly, road: Road, side: int, begin: float, end: float, setback: float, design: Design, shop: bool
) -> None:
    """Add a house on the plot from z = begin to end, ``setback`` meters behind the sidewalk on side -1 or 1."""
    dice = assembly.dice
    middle, half_length = (begin + end) / 2, (end - begin) / 2
    edge = road.edge(side) + setback
    lateral = side * (edge + design.depth)
    base = min(0.0, road.ground_up(lateral)) - 1.0
    height = design.height * dice.uniform(0.995, 1.005)
    assembly.begin(BUILDING, road.point(middle, lateral, road.ground_up(side * edge)), road.yaw(middle))
    assembly.add(BOX, (0, base / 2, 0), (design.depth, -base / 2, half_length), (0.3, 0.29, 0.27), PLAIN)
    assembly.add(
        BOX, (0, height / 2, 0), (design.depth, height / 2, half_length), design.wall, design.material,
        second=design.door, seed=design.seed,
    )  # fmt: skip
    front = -side * design.depth
    if design.rise:
        taper = (0.04, 1.0)
        half = (design.depth + 0.3, design.rise / 2, half_length)
        assembly.add(BOX, (0, height + design.rise / 2, 0), half, design.roof, TILES, taper=taper)
        if dice.chance(0.15):
            _dormer(assembly, front, height + design.rise * 0.4, design)
    else:
        half = (design.depth + 0.06, 0.3, half_length + 0.02)
        assembly.add(BOX, (0, height + 0.2, 0), half, dice.shade(design.wall, 0.2), PLAIN)
        if dice.chance(0.3):
            assembly.add(BOX, (0, height + 1.0, 0), (1.5, 0.8, half_length * 0.4), (0.4, 0.4, 0.41), METAL)
    if design.chimneys:
        top = height + max(design.rise, 0.5)
        assembly.add(BOX, (front * 0.15, top, half_length - 0.3), (0.55, 0.9, 0.3), dice.shade(design.wall, 0.2), BRICK)
        for i in range(dice.integer(1, 3)):
            pot = (front * 0.15 - 0.35 + 0.35 * i, top + 1.1, half_length - 0.3)
            assembly.add(CYLINDER, pot, (0.11, 0.25, 0.11), (0.35, 0.2, 0.13), PLAIN, taper=(0.8, 0.8))
    if middle < 45:
        _clutter(assembly, side, front, height, half_length)
    if shop:
        _shop(assembly, side, front, half_length, design)
    elif design.bay and setback > 0.9:
        _bay_window(assembly, side, front, half_length, design)
    elif dice.chance(0.2):  # a porch
        center = (front - side * 0.3, 2.6, -0.4 * half_length)
        assembly.add(BOX, center, (0.4, 0.1, 0.75), dice.shade((0.5, 0.48, 0.45), 0.3), PLAIN)


def _clutter(assembly: Assembly, side: int, front: float, height: float, half_length: float) -> None:
    """Add clutter on the wall: pipes, boxes, plates, lamps, baskets."""
    dice = assembly.dice
    for _ in range(dice.integer(1, 6)):
        forward = half_length * dice.uniform(-0.95, 0.95)
        if dice.chance(0.25):  # a pipe or cable
            center = (front - side * 0.05, height * 0.5, forward)
            half = (0.05, height * 0.49, dice.uniform(0.02, 0.06))
            assembly.add(BOX, center, half, dice.shade((0.06, 0.06, 0.06), 0.8), METAL)
            continue
        half = (dice.uniform(0.03, 0.2), dice.uniform(0.06, 0.3), dice.uniform(0.06, 0.4))
        center = (front - side * half[0], dice.uniform(0.8, max(1.0, height - 0.6)), forward)
        gray = 0.02 + 0.6 * dice.random() ** 2
        tone = dice.color(0.02, 0.5) if dice.chance(0.12) else dice.shade((gray, gray, gray * 0.95), 0.3)
        assembly.add(BOX, center, half, tone, PLAIN)


def _dormer(assembly: Assembly, front: float, up: float, design: Design) -> None:
    assembly.add(BOX, (front * 0.6, up, 0), (0.9, 0.65, 0.7), design.roof, PLAIN)
    center = (front * 0.6 + 0.06 * front / abs(front), up, 0)
    assembly.add(BOX, center, (0.88, 0.45, 0.5), (0.05, 0.055, 0.06), GLASS_PANE)


def _bay_window(assembly: Assembly, side: int, front: float, half_length: float, design: Design) -> None:
    """Add a bay window of one or two stories."""
    dice = assembly.dice
    half_width = min(1.1, 0.38 * half_length)
    half_height = 1.35 if dice.chance(0.7) or design.floors < 2 else 2.7
    center = (front - side * 0.35, half_height, 0.45 * half_length)
    assembly.add(BOX, center, (0.4, half_height, half_width), dice.shade(design.wall, 0.1), PLAIN)
    for story in range(int(half_height / 1.35)):
        glass = (center[0] - side * 0.03, 1.65 + 2.7 * story, center[2])
        assembly.add(BOX, glass, (0.4, 0.62, half_width * 0.85), (0.03, 0.034, 0.04), GLASS_PANE)
        for bar in (-0.85, -0.3, 0.3, 0.85):
            bar_center = (glass[0] - side * 0.4, glass[1], glass[2] + bar * half_width)
            assembly.add(BOX, bar_center, (0.04, 0.64, 0.05), (0.6, 0.6, 0.58), PLAIN)
    cap = (center[0], 2 * half_height + 0.12, center[2])
    assembly.add(BOX, cap, (0.5, 0.14, half_width + 0.1), design.roof, TILES, taper=(0.7, 0.9))


def _shop(assembly: Assembly, side: int, front: float, half_length: float, design: Design) -> None:
    """Add a shop on the ground floor, sometimes with an awning and a sign over the sidewalk."""
    dice = assembly.dice
    joinery = dice.shade(dice.choice(_JOINERY), 0.5)
    sign = dice.shade(joinery, 0.3) if dice.chance(0.5) else dice.color(0.03, 0.6)
    up = min(dice.uniform(1.5, 1.8), design.height / 2)
    half = (0.1, up, half_length * dice.uniform(0.93, 0.995))
    assembly.add(BOX, (front, up, 0), half, joinery, SHOP_FRONT, second=sign)
    if dice.chance(0.12):
        center = (front - side * 0.7, 2.5, half_length * dice.uniform(-0.3, 0.3))
        color, stripe = dice.color(0.05, 0.5), (0.7, 0.68, 0.62)
        half = (0.75, 0.04, half_length * 0.5)
        assembly.add(BOX, center, half, color, STRIPES, second=stripe, roll=side * -0.3)
    if dice.chance(0.4):  # signs on houses have the class traffic sign
        color, back = dice.color(0.02, 0.7), dice.shade((0.6, 0.6, 0.58), 0.5)
        reach, size = dice.uniform(0.45, 0.7), dice.uniform(0.28, 0.5)
        center = (front - side * (reach + 0.1), dice.uniform(2.9, 3.8), half_length * dice.uniform(-0.9, 0.9))
        arm = (front - side * reach / 2, center[1] + size + 0.04, center[2])
        assembly.add(BOX, arm, (reach / 2 + 0.2, 0.02, 0.02), (0.05, 0.05, 0.05), METAL)
        if dice.chance(0.25):
            assembly.add(SPHERE, center, (size, size, 0.05), color, PLAIN, label=TRAFFIC_SIGN)
        else:
            half = (size * dice.uniform(0.7, 1.0), size, 0.04)
            assembly.add(BOX, center, half, color, SIGN, second=back, label=TRAFFIC_SIGN)


def add_block(assembly: Assembly, road: Road, side: int, begin: float, end: float, setback: float) -> None:
    """Add a large building with a flat roof and a parapet, such as an office, a church or a supermarket."""
    dice = assembly.dice
    design = choose_design(dice, dice.integer(1, 5))
    design = design._replace(rise=0.0, depth=dice.uniform(6, 12), bay=False, chimneys=False)
    add_house(assembly, road, side, begin, end, setback, design, dice.chance(0.4))
