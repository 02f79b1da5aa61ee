"""Railings, wire fences, boards and low walls between sidewalk and plots, and barriers at the curb."""

from taskscape.streets.assembly import Assembly
from taskscape.streets.classes import FENCE, WALL
from taskscape.streets.colors import Color, scaled
from taskscape.streets.materials import BRICK, CONCRETE, METAL, RAILING, STRIPES, WOOD
from taskscape.streets.road import Road, pieces
from taskscape.streets.shapes import BOX, PANEL

_IRON: tuple[Color, ...] = ((0.025, 0.025, 0.027), (0.03, 0.045, 0.035), (0.3, 0.31, 0.32), (0.06, 0.06, 0.065))
_WOOD: tuple[Color, ...] = ((0.3, 0.21, 0.13), (0.2, 0.16, 0.12), (0.6, 0.59, 0.55), (0.36, 0.3, 0.22))
_STONE: tuple[Color, ...] = ((0.4, 0.37, 0.31), (0.33, 0.17, 0.12), (0.3, 0.27, 0.22), (0.5, 0.46, 0.38))


def add_wall(assembly: Assembly, road: Road, begin: float, end: float, lateral: float, height: float) -> None:
    """Add a wall of bricks or stone along the road."""
    dice = assembly.dice
    color, texture = dice.shade(dice.choice(_STONE), 0.3), dice.choice((BRICK, BRICK, CONCRETE))
    for middle, half in pieces(begin, end, 6.0):
        assembly.begin(WALL, road.on_ground(middle, lateral), road.yaw(middle), road.pitch(middle))
        assembly.add(BOX, (0, height / 2 - 0.1, 0), (0.14, height / 2 + 0.1, half * 1.005), color, texture)
        if dice.chance(0.2):
            assembly.add(BOX, (0, height / 2 + 0.1, half), (0.24, height / 2 + 0.2, 0.24), color, texture)


def add_railing(
    assembly: Assembly, road: Road, begin: float, end: float, lateral: float, kind: str, up: float = 0.0
) -> None:
    """Add a fence along the road, with its lower edge ``up`` meters above the ground.

    ``kind`` is iron, pickets, wire, boards, or barrier, as between sidewalk and road.
    """
    dice = assembly.dice
    color = dice.shade(dice.choice(_WOOD if kind in ("pickets", "boards") else _IRON), 0.25)
    height = {
        "iron": dice.uniform(0.8, 2.2), "pickets": dice.uniform(0.8, 1.2), "wire": dice.uniform(1.2, 2.6),
        "boards": dice.uniform(1.3, 2.0), "barrier": dice.uniform(0.95, 1.15),
    }[kind]  # fmt: skip
    pace, bar = {
        "iron": (dice.uniform(0.1, 0.15), dice.uniform(0.018, 0.03)), "pickets": (0.13, 0.085),
        "wire": (dice.uniform(0.05, 0.1), 0.008), "boards": (0.15, 0.15), "barrier": (0.1, 0.018),
    }[kind]  # fmt: skip
    second = (pace, bar, 1.0 if kind == "wire" else 0.0)
    step = dice.uniform(2.0, 3.2)
    for middle, half in pieces(begin, end, step):
        assembly.begin(FENCE, road.on_ground(middle, lateral, up), road.yaw(middle), road.pitch(middle))
        if kind == "boards":
            dark = scaled(color, 0.7)
            assembly.add(BOX, (0, height / 2, 0), (0.03, height / 2, half), color, STRIPES, second=dark)
        else:
            assembly.add(PANEL, (0, height / 2, 0), (0.02, height / 2, half * 1.002), color, RAILING, second=second)
        if middle < 70:
            post = 0.03 if kind in ("iron", "barrier", "wire") else 0.05
            texture = METAL if post < 0.04 else WOOD
            assembly.add(BOX, (0, height / 2 + 0.03, half), (post, height / 2 + 0.05, post), color, texture)
