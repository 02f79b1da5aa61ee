"""Bicycles and motorcycles, ridden or parked. Their origin is on the ground below their center."""

from taskscape.streets.assembly import Assembly, Point
from taskscape.streets.classes import BICYCLE, MOTORCYCLE
from taskscape.streets.materials import LAMP, METAL, NIGHT_LAMP, PLAIN, SPOKES, TIRE
from taskscape.streets.people import add_rider
from taskscape.streets.shapes import BEVELED, BOX, SPHERE, WHEEL

_DARK = (0.04, 0.04, 0.045)


def add_bicycle(assembly: Assembly, at: Point, yaw: float, pitch: float, ridden: bool) -> None:
    """Add a bicycle with a diamond or step-through frame."""
    dice = assembly.dice
    color = dice.color(0.05, 0.8)
    radius = dice.uniform(0.31, 0.36)
    assembly.begin(BICYCLE, at, yaw, pitch)
    for forward in (-0.53, 0.53):
        assembly.add(WHEEL, (0, radius, forward), (0.03, radius, radius), (0.06, 0.06, 0.065), SPOKES)
        assembly.add(
            BOX, (0, 2 * radius + 0.03, forward), (0.04, 0.015, 0.2), color if dice.chance(0.5) else _DARK, METAL
        )

    def tube(up: float, forward: float, half_length: float, pitch: float) -> None:
        assembly.add(BOX, (0, up, forward), (0.028, 0.03, half_length), color, METAL, pitch=pitch)

    tube(0.78 if dice.chance(0.6) else 0.55, 0.08, 0.3, 0.12)  # top
    tube(0.53, 0.1, 0.37, 0.75)  # down
    tube(0.6, -0.2, 0.33, 1.9)  # seat
    tube(radius, -0.28, 0.26, 0.0)  # chain stay
    tube(0.56, -0.4, 0.3, 0.98)  # seat stay
    tube(0.66, 0.46, 0.38, 1.9)  # fork
    assembly.add(BEVELED, (0, 0.95, -0.3), (0.09, 0.04, 0.14), _DARK, PLAIN)
    assembly.add(BOX, (0, 1.03, 0.37), (0.29, 0.02, 0.025), _DARK, METAL)
    assembly.add(BOX, (0, 0.3, -0.02), (0.09, 0.02, 0.1), _DARK, METAL)
    if dice.chance(0.4):
        assembly.add(BEVELED, (0, 0.9, 0.62), (0.18, 0.13, 0.14), dice.shade((0.35, 0.25, 0.14)), PLAIN)
    assembly.add(BOX, (0, 0.72, -0.88), (0.03, 0.04, 0.02), (0.8, 0.05, 0.04), NIGHT_LAMP)
    if ridden:
        add_rider(assembly, 0.98, (0.27, 1.05, 0.35), 0.25)


def add_motorcycle(assembly: Assembly, at: Point, yaw: float, pitch: float, ridden: bool) -> None:
    """Add a motorcycle or a scooter."""
    dice = assembly.dice
    color = dice.color(0.03, 0.75)
    assembly.begin(MOTORCYCLE, at, yaw, pitch)
    scooter = dice.chance(0.4)
    radius = 0.25 if scooter else 0.31
    span = 0.62 if scooter else 0.7
    for forward in (-span, span):
        assembly.add(WHEEL, (0, radius, forward), (0.07, radius, radius), (0.45, 0.45, 0.46), TIRE)
    if scooter:
        assembly.add(BEVELED, (0, 0.52, -0.4), (0.19, 0.24, 0.42), color, METAL)
        assembly.add(BEVELED, (0, 0.66, 0.42), (0.21, 0.36, 0.08), color, METAL, pitch=0.3)
        assembly.add(BOX, (0, 0.3, 0.05), (0.17, 0.05, 0.36), _DARK, PLAIN)
        assembly.add(BEVELED, (0, 0.82, -0.36), (0.16, 0.07, 0.38), _DARK, PLAIN)
        if dice.chance(0.4):
            assembly.add(BEVELED, (0, 1.02, -0.78), (0.2, 0.17, 0.17), color, METAL)
    else:
        assembly.add(BEVELED, (0, 0.78, 0.17), (0.17, 0.17, 0.32), color, METAL, pitch=0.1)
        assembly.add(BEVELED, (0, 0.45, 0.05), (0.19, 0.22, 0.28), (0.18, 0.18, 0.19), METAL)
        assembly.add(BEVELED, (0, 0.82, -0.4), (0.14, 0.06, 0.38), _DARK, PLAIN)
        assembly.add(BEVELED, (0, 0.74, -0.68), (0.12, 0.1, 0.25), color, METAL, pitch=0.25)
        assembly.add(BOX, (0.17, 0.34, -0.45), (0.05, 0.05, 0.42), (0.5, 0.5, 0.5), METAL, pitch=0.12)
    assembly.add(BOX, (0, 0.62, span - 0.1), (0.08, 0.38, 0.04), (0.3, 0.3, 0.32), METAL, pitch=-0.42)
    assembly.add(SPHERE, (0, 0.92, 0.6), (0.13, 0.12, 0.09), (0.9, 0.9, 0.85), NIGHT_LAMP)
    assembly.add(BOX, (0, 1.05, 0.42), (0.34, 0.025, 0.03), _DARK, METAL)
    assembly.add(BOX, (0, 0.72, -0.94), (0.09, 0.05, 0.03), (0.75, 0.05, 0.04), LAMP)
    assembly.add(BOX, (0, 0.54, -0.93), (0.1, 0.09, 0.015), (0.8, 0.8, 0.75), PLAIN)
    if ridden:
        add_rider(assembly, 0.86, (0.31, 1.07, 0.4), 0.3)
