"""Walls and fences between the sidewalk and the plots, and rails at the curb."""

from taskscape.streets.assembly import Assembly
from taskscape.streets.classes import FENCE, WALL
from taskscape.streets.colors import Color, scaled
from taskscape.streets.materials import BRICK, CONCRETE, METAL, STRIPES, WOOD
from taskscape.streets.road import Road, pieces
from taskscape.streets.shapes import BOX

_WALLS: tuple[Color, ...] = (
    (0.46, 0.44, 0.4),
    (0.38, 0.18, 0.13),
    (0.6, 0.57, 0.5),
    (0.3, 0.3, 0.31),
    (0.52, 0.43, 0.31),
)
_METAL: tuple[Color, ...] = ((0.08, 0.09, 0.08), (0.1, 0.2, 0.12), (0.5, 0.5, 0.5))
_WOOD: tuple[Color, ...] = ((0.36, 0.25, 0.15), (0.65, 0.63, 0.58), (0.25, 0.17, 0.1))
_STEP = 6.0
"""Length in meters of the straight pieces that follow the road."""


def add_wall(assembly: Assembly, road: Road, begin: float, end: float, lateral: float) -> None:
    """Add a wall of bricks or concrete along the road."""
    dice = assembly.dice
    half_height = dice.uniform(0.5, 1.6)
    color, texture = dice.shade(dice.choice(_WALLS)), dice.choice((BRICK, CONCRETE, CONCRETE))
    for middle, half in pieces(begin, end, _STEP):
        assembly.begin(WALL, road.on_ground(middle, lateral), road.yaw(middle), road.pitch(middle))
        assembly.add(BOX, (0, half_height - 0.1, 0), (0.14, half_height + 0.1, half * 1.005), color, texture)
        if dice.chance(0.4):
            assembly.add(BOX, (0, half_height + 0.05, half), (0.22, half_height + 0.15, 0.22), color, texture)


def add_fence(assembly: Assembly, road: Road, begin: float, end: float, lateral: float) -> None:
    """Add a fence along the road: bars, boards, pickets or a guard rail."""
    dice = assembly.dice
    style = dice.weighted({"bars": 0.32, "boards": 0.28, "pickets": 0.24, "rail": 0.16})
    height = 0.8 if style == "rail" else dice.uniform(0.9, 1.7)
    color = dice.shade(dice.choice(_METAL if style in ("bars", "rail") else _WOOD))
    second = dice.shade((0.6, 0.1, 0.08))
    is_striped = style == "rail" and dice.chance(0.4)
    for middle, half in pieces(begin, end, _STEP):
        assembly.begin(FENCE, road.on_ground(middle, lateral), road.yaw(middle), road.pitch(middle))
        is_far = middle > 34
        if style == "boards":
            dark = scaled(color, 0.75)
            assembly.add(BOX, (0, height / 2, 0), (0.03, height / 2, half), color, STRIPES, second=dark)
            assembly.add(BOX, (0, height / 2, half), (0.06, height / 2 + 0.06, 0.06), color, WOOD)
        elif style == "rail":
            assembly.add(BOX, (0, 0.62, 0), (0.05, 0.17, half), color, STRIPES if is_striped else METAL, second=second)
            for i in (-1, 1):
                assembly.add(BOX, (0.08, 0.32, i * half * 0.5), (0.05, 0.34, 0.05), color, METAL)
        else:
            texture = METAL if style == "bars" else WOOD
            for up in (0.18, height - 0.12):
                assembly.add(BOX, (0, up, 0), (0.035, 0.045, half), color, texture)
            # Far bars are fewer and wider, so they cover the same share of the view.
            bar_half_width = 0.022 if style == "bars" else 0.05
            spacing = (0.16 if style == "bars" else 0.17) * (4 if is_far else (1 if middle < 14 else 2))
            count = int(2 * half / spacing)
            half_width = bar_half_width * (2.5 if is_far else (1 if middle < 14 else 1.6))
            for i in range(count):
                forward = -half + (i + 0.5) * spacing
                assembly.add(BOX, (0, height / 2, forward), (0.018, height / 2, half_width), color, texture)
