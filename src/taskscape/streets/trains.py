"""Trams in the street and trains beside it."""

from taskscape.streets.assembly import Assembly, Point
from taskscape.streets.classes import TRAIN
from taskscape.streets.colors import Color
from taskscape.streets.materials import COACH, LAMP, METAL, NIGHT_LAMP, PLAIN
from taskscape.streets.road import Road
from taskscape.streets.shapes import BEVELED, BOX

_LIVERIES: tuple[tuple[Color, Color], ...] = (
    ((0.7, 0.08, 0.07), (0.85, 0.83, 0.75)), ((0.8, 0.68, 0.1), (0.12, 0.12, 0.13)),
    ((0.1, 0.3, 0.6), (0.85, 0.85, 0.85)), ((0.85, 0.85, 0.83), (0.1, 0.4, 0.2)),
    ((0.12, 0.36, 0.2), (0.8, 0.75, 0.5)), ((0.6, 0.62, 0.64), (0.55, 0.05, 0.1)),
)  # fmt: skip
_SHIFTED_LIVERIES: tuple[tuple[Color, Color], ...] = (
    ((0.55, 0.2, 0.5), (0.9, 0.9, 0.9)), ((0.85, 0.4, 0.05), (0.2, 0.2, 0.22)), ((0.2, 0.6, 0.65), (0.9, 0.85, 0.2)),
)  # fmt: skip


def _livery(assembly: Assembly) -> tuple[Color, Color]:
    dice = assembly.dice
    main, accent = dice.choice(_SHIFTED_LIVERIES if assembly.shifted else _LIVERIES)
    return dice.shade(main), dice.shade(accent)


def _section(
    assembly: Assembly, at: Point, yaw: float, pitch: float, half: Point, colors: tuple[Color, Color], is_front: bool,
    is_back: bool, is_first: bool,
) -> None:  # fmt: skip
    """Add the first or a further car of a tram or train; the cars at its front and back have lights."""
    half_width, half_height, half_length = half
    assembly.begin(TRAIN, at, yaw, pitch, section=not is_first)
    middle = 0.3 + half_height
    assembly.add(BEVELED, (0, middle, 0), half, colors[0], COACH, second=colors[1], taper=(0.95, 0.985))
    assembly.add(BOX, (0, 0.25, 0), (half_width * 0.8, 0.22, half_length * 0.95), (0.05, 0.05, 0.055), PLAIN)
    assembly.add(
        BOX, (0, 0.5 + 2 * half_height, 0.2), (half_width * 0.55, 0.2, half_length * 0.6), (0.45, 0.46, 0.47), METAL
    )
    if is_front or is_back:
        end = half_length if is_front else -half_length
        for side in (-1, 1):
            color = (0.95, 0.93, 0.85) if is_front else (0.8, 0.05, 0.04)
            assembly.add(
                BOX, (side * half_width * 0.66, 0.85, end), (0.17, 0.1, 0.05), color, LAMP if is_back else NIGHT_LAMP
            )
        assembly.add(BOX, (0, 0.55, end), (half_width * 0.7, 0.16, 0.12), (0.1, 0.1, 0.1), PLAIN)
    else:
        assembly.add(
            BOX, (0, middle, 0), (half_width * 0.85, half_height * 0.9, half_length + 0.4), (0.06, 0.06, 0.06), PLAIN
        )
    if is_back or (not is_front):  # the pantograph: two arms and a bar
        top = 0.7 + 2 * half_height
        assembly.add(BOX, (0, top + 0.35, 0.3), (0.04, 0.04, 0.75), (0.1, 0.1, 0.1), METAL, pitch=0.6)
        assembly.add(BOX, (0, top + 0.78, 0.9), (0.75, 0.03, 0.06), (0.1, 0.1, 0.1), METAL)


def add_tram(assembly: Assembly, road: Road, z: float, lateral: float, direction: int) -> float:
    """Add a tram with its near end at ``z``; return the z of its far end in meters."""
    dice = assembly.dice
    sections = dice.integer(2, 3)
    half = (dice.uniform(1.18, 1.3), dice.uniform(1.5, 1.65), dice.uniform(3.8, 5.2))
    colors = _livery(assembly)
    for i in range(sections):
        middle = z + half[2] + i * (2 * half[2] + 0.6)
        is_nearest, is_farthest = i == 0, i == sections - 1
        # If the tram drives away from the camera, its near end is the back.
        is_front, is_back = (is_farthest, is_nearest) if direction > 0 else (is_nearest, is_farthest)
        turn = 0.0 if direction > 0 else 3.14159265
        _section(
            assembly, road.point(middle, lateral, 0.02), road.yaw(middle) + turn, direction * road.pitch(middle), half,
            colors, is_front, is_back, i == 0,
        )  # fmt: skip
    return z + sections * (2 * half[2] + 0.6)


def add_railway_train(assembly: Assembly, road: Road, begin: float, end: float, lateral: float) -> None:
    """Add a train on a railway beside the road, from about ``begin`` to ``end``."""
    dice = assembly.dice
    half = (1.42, 1.75, dice.uniform(7.0, 10.0))
    colors = _livery(assembly)
    z, count = begin, 0
    while z < end and count < 5:
        middle = z + half[2]
        _section(
            assembly, road.on_ground(middle, lateral, 0.55), road.yaw(middle), road.pitch(middle), half, colors,
            False, count == 0, count == 0,
        )  # fmt: skip
        z += 2 * half[2] + 0.7
        count += 1
