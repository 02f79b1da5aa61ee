"""Cars of the style ``photographs``, with more shapes and common paint colors."""

from taskscape.streets.assembly import Assembly, Point
from taskscape.streets.classes import CAR
from taskscape.streets.colors import Color
from taskscape.streets.materials import COACHWORK, METAL, PLAIN
from taskscape.streets.shapes import BEVELED, BOX, ESTATE, HATCHBACK, MINI, PANEL_VAN, SEDAN, TALL, VAN
from taskscape.streets.vehicles import BLACK, add_lights, add_wheels

_COLORS: dict[Color, float] = {
    (0.55, 0.56, 0.57): 0.22, (0.03, 0.03, 0.035): 0.18, (0.03, 0.05, 0.13): 0.12, (0.78, 0.78, 0.77): 0.14,
    (0.25, 0.26, 0.28): 0.1, (0.33, 0.015, 0.02): 0.14, (0.02, 0.1, 0.05): 0.05, (0.05, 0.13, 0.4): 0.08,
    (0.6, 0.42, 0.03): 0.03, (0.4, 0.36, 0.28): 0.03,
}  # fmt: skip
# Style: half width, height, half length (meters), wheel radius, share.
_STYLES = {
    SEDAN: (0.88, 1.42, 2.25, 0.31, 0.17),
    HATCHBACK: (0.85, 1.44, 1.95, 0.29, 0.28),
    ESTATE: (0.88, 1.48, 2.3, 0.32, 0.12),
    MINI: (0.82, 1.45, 1.8, 0.28, 0.2),
    TALL: (0.92, 1.72, 2.2, 0.34, 0.12),
    VAN: (0.95, 1.95, 2.4, 0.33, 0.04),
    PANEL_VAN: (0.97, 2.3, 2.6, 0.34, 0.07),
}


def add_vehicle(assembly: Assembly, at: Point, yaw: float, pitch: float) -> float:
    """Add a car or van; return its length in meters."""
    dice = assembly.dice
    style = dice.weighted({style: values[4] for style, values in _STYLES.items()})
    half_width, height, half_length, radius, _ = _STYLES[style]
    size = dice.uniform(0.94, 1.06)
    half_width, height, half_length = half_width * size, height * dice.uniform(0.95, 1.06), half_length * size
    clearance = dice.uniform(0.16, 0.24)
    half_height = (height - clearance) / 2
    color = dice.shade(dice.weighted(_COLORS), 0.35)
    if style == PANEL_VAN and dice.chance(0.65):
        color = dice.shade((0.75, 0.75, 0.74), 0.15)
    assembly.begin(CAR, at, yaw, pitch)
    assembly.add(style, (0, clearance + half_height, 0), (half_width, half_height, half_length), color, COACHWORK)
    bumper = BLACK if dice.chance(0.45) else color
    for end in (-0.97, 0.97):
        center = (0, clearance + 0.25, end * half_length)
        assembly.add(BEVELED, center, (half_width * 0.98, 0.13, 0.1), bumper, PLAIN)
    lamps = clearance + 2 * half_height * (0.36 if style in (VAN, PANEL_VAN) else 0.43)
    add_lights(assembly, half_width, lamps, half_length * 0.955, -half_length * 0.99, dice.chance(0.3))
    add_wheels(assembly, half_width, radius, (-0.6 * half_length, 0.63 * half_length))
    for side in (-1, 1):
        mirror = (side * (half_width + 0.06), clearance + 2 * half_height * 0.62, 0.36 * half_length)
        assembly.add(BEVELED, mirror, (0.1, 0.07, 0.06), color if dice.chance(0.6) else BLACK, METAL)
    if style == ESTATE and dice.chance(0.2):
        assembly.add(BOX, (0, height + 0.12, -0.2), (0.35, 0.12, 0.75), BLACK, METAL)
    return 2 * half_length
