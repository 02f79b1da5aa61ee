"""Bare and leafy trees, shrubs and trimmed hedges."""

import math

from taskscape.streets.assembly import Assembly, Point
from taskscape.streets.classes import VEGETATION
from taskscape.streets.colors import Color
from taskscape.streets.materials import BARK, LEAVES, TWIGS
from taskscape.streets.people import add_limb
from taskscape.streets.road import Road, pieces
from taskscape.streets.shapes import BOX, CYLINDER, HULL

_GREENS: tuple[Color, ...] = ((0.09, 0.14, 0.05), (0.12, 0.18, 0.05), (0.05, 0.09, 0.04), (0.14, 0.16, 0.07))
_BARE: tuple[Color, ...] = ((0.13, 0.105, 0.085), (0.17, 0.145, 0.12), (0.1, 0.085, 0.075), (0.2, 0.16, 0.12))
_FAR = 45.0
"""Distance in meters beyond which trees have fewer branches."""


def add_tree(assembly: Assembly, at: Point, size: float, bare: bool) -> None:
    """Add a tree, bare or in leaf, about 7 · ``size`` meters high."""
    dice = assembly.dice
    trunk = dice.uniform(1.8, 3.0) * math.sqrt(size)
    radius = dice.uniform(1.7, 2.8) * size
    half_height = radius * dice.uniform(0.9, 1.35)
    trunk_radius = 0.05 + 0.055 * radius
    bark = dice.shade(dice.choice(_BARE), 0.3)
    assembly.begin(VEGETATION, at, dice.uniform(0, 6.28))
    lean = 0.04 * dice.normal()
    half = (trunk_radius, trunk * 0.62, trunk_radius)
    assembly.add(CYLINDER, (0, trunk * 0.6, 0), half, bark, BARK, pitch=lean, taper=(0.7, 0.7))
    middle = trunk + half_height * 0.8
    is_near = at[2] < _FAR
    tips: list[Point] = []
    for i in range((dice.integer(5, 8) if is_near else 4) if bare else 3):
        turn = 2.4 * i + dice.random()
        reach = radius * dice.uniform(0.4, 0.8)
        tip = (reach * math.sin(turn), middle + half_height * dice.uniform(-0.15, 0.75), reach * math.cos(turn))
        fork = (0.06 * tip[0], trunk * dice.uniform(0.85, 1.15), 0.06 * tip[2])
        add_limb(assembly, fork, tip, trunk_radius * 0.5, bark, BARK, 0.5)
        tips.append(tip)
        if bare and is_near:
            for _ in range(2):
                share = dice.uniform(0.4, 0.7)
                start = tuple(f + (t - f) * share for f, t in zip(fork, tip, strict=True))
                spread = 0.45 * radius
                end = (
                    start[0] + spread * dice.normal() * 0.6, start[1] + spread * dice.uniform(0.3, 1.1),
                    start[2] + spread * dice.normal() * 0.6,
                )  # fmt: skip
                add_limb(assembly, (start[0], start[1], start[2]), end, trunk_radius * 0.25, bark, BARK, 0.5)
    color = bark if bare else dice.shade(dice.choice(_GREENS), 0.35)
    material = TWIGS if bare else LEAVES
    density = (dice.uniform(0.3, 1.0), 0.0, 0.0)
    inner = 0.85 if bare else 1.0
    half = (radius * inner, half_height * inner, radius * inner)
    assembly.add(HULL, (0, middle, 0), half, color, material, second=density)
    for tip in tips if bare else tips[: dice.integer(1, 3)]:
        share = dice.uniform(0.32, 0.6)
        half = (radius * share, half_height * share * dice.uniform(0.8, 1.3), radius * share)
        assembly.add(HULL, tip, half, dice.shade(color, 0.12), material, second=density, yaw=dice.uniform(0, 6.28))
    if not bare:
        for _ in range(dice.integer(2, 4)):
            share = dice.uniform(0.35, 0.65)
            turn, reach = dice.uniform(0, 6.28), radius * dice.uniform(0.4, 0.8)
            center = (reach * math.sin(turn), middle + half_height * dice.uniform(-0.6, 0.5), reach * math.cos(turn))
            half = (radius * share, half_height * share, radius * share)
            assembly.add(HULL, center, half, dice.shade(color, 0.2), material, second=density)


def add_shrub(assembly: Assembly, at: Point, size: float, bare: bool) -> None:
    """Add a shrub about ``size`` meters high."""
    dice = assembly.dice
    color = dice.shade(dice.choice(_BARE if bare else _GREENS), 0.35)
    material = TWIGS if bare else LEAVES
    assembly.begin(VEGETATION, at, dice.uniform(0, 6.28))
    for _ in range(dice.integer(1, 3)):
        half = (size * dice.uniform(0.4, 0.9), size * dice.uniform(0.4, 0.7), size * dice.uniform(0.4, 0.9))
        center = (0.5 * size * dice.normal(), half[1] * 0.85, 0.5 * size * dice.normal())
        assembly.add(HULL, center, half, color, material, second=(1.0, 0.0, 0.0))


def add_hedge(assembly: Assembly, road: Road, begin: float, end: float, lateral: float) -> None:
    """Add a trimmed hedge along the road."""
    dice = assembly.dice
    color = dice.shade(dice.choice(_GREENS), 0.3)
    height, thick = dice.uniform(0.7, 2.2), dice.uniform(0.3, 0.6)
    for middle, half in pieces(begin, end, 4.0, shortest=0.2):
        assembly.begin(VEGETATION, road.on_ground(middle, lateral), road.yaw(middle), road.pitch(middle))
        up = height * dice.uniform(0.93, 1.07) / 2
        assembly.add(BOX, (0, up, 0), (thick, up, half * 1.02), dice.shade(color, 0.06), LEAVES, taper=(0.85, 1.0))
