"""Posts, beacons and boards at the roadside."""

from taskscape.streets.assembly import Assembly, Point
from taskscape.streets.classes import POLE, TRAFFIC_SIGN
from taskscape.streets.colors import Color
from taskscape.streets.materials import LAMP, METAL, PLAIN, SIGN
from taskscape.streets.shapes import BEVELED, BOX, CYLINDER, SPHERE


def add_post(assembly: Assembly, at: Point, color: Color) -> None:
    """Add a thin or thick bollard."""
    dice = assembly.dice
    assembly.begin(POLE, at)
    half, radius = dice.uniform(0.4, 0.55), dice.uniform(0.06, 0.12)
    assembly.add(CYLINDER, (0, half, 0), (radius, half, radius), color, METAL)
    if dice.chance(0.5):
        assembly.add(CYLINDER, (0, 1.7 * half, 0), (radius * 1.05, 0.05, radius * 1.05), (0.6, 0.6, 0.58), PLAIN)


def add_beacon(assembly: Assembly, at: Point) -> None:
    """Add a striped pole with an orange globe, at a zebra crossing."""
    assembly.begin(POLE, at)
    for i in range(8):
        color = (0.7, 0.7, 0.68) if i % 2 else (0.04, 0.04, 0.04)
        assembly.add(CYLINDER, (0, 0.15 + 0.3 * i, 0), (0.05, 0.15, 0.05), color, PLAIN)
    assembly.add(SPHERE, (0, 2.55, 0), (0.17, 0.17, 0.17), (0.9, 0.4, 0.03), LAMP)


def add_keep_side(assembly: Assembly, at: Point, yaw: float) -> None:
    """Add a white or yellow bollard with a round blue sign, as on traffic islands."""
    dice = assembly.dice
    blue = (0.04, 0.12, 0.5)
    color = (0.72, 0.72, 0.7) if dice.chance(0.5) else (0.7, 0.5, 0.04)
    assembly.begin(TRAFFIC_SIGN, at, yaw)
    assembly.add(BEVELED, (0, 0.5, 0), (0.19, 0.5, 0.13), color, PLAIN)
    assembly.add(SPHERE, (0, 0.75, -0.14), (0.16, 0.16, 0.02), blue, SIGN, second=blue)


def add_board(assembly: Assembly, at: Point, yaw: float) -> None:
    """Add a sign board standing on the ground."""
    dice = assembly.dice
    assembly.begin(TRAFFIC_SIGN, at, yaw)
    color, second = dice.color(0.02, 0.6), dice.shade((0.75, 0.75, 0.7), 0.2)
    half = (dice.uniform(0.3, 0.6), dice.uniform(0.5, 0.9), 0.06)
    assembly.add(BOX, (0, half[1] + 0.1, 0), half, color, SIGN, second=second)
