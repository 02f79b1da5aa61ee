"""Cars, trucks and buses. Their origin is on the ground below their center; they face forward."""

from taskscape.streets.assembly import Assembly, Point
from taskscape.streets.classes import BUS, CAR, TRUCK
from taskscape.streets.colors import Color
from taskscape.streets.materials import CARGO, COACH, GLASS_PANE, LAMP, METAL, NIGHT_LAMP, PAINT, PLAIN, PLATE, TIRE
from taskscape.streets.shapes import BEVELED, BOX, COUPE, CYLINDER, ESTATE, HATCHBACK, PICKUP, SEDAN, VAN, WHEEL

BLACK: Color = (0.03, 0.03, 0.033)
_COLORS: tuple[Color, ...] = (
    (0.72, 0.72, 0.73), (0.5, 0.51, 0.53), (0.04, 0.04, 0.045), (0.86, 0.86, 0.85), (0.16, 0.17, 0.19),
    (0.42, 0.035, 0.035), (0.05, 0.1, 0.32), (0.1, 0.22, 0.4), (0.07, 0.2, 0.1), (0.48, 0.42, 0.3), (0.25, 0.12, 0.06),
    (0.62, 0.13, 0.05),
)  # fmt: skip
_SHIFTED_COLORS: tuple[Color, ...] = (
    (0.85, 0.6, 0.05), (0.35, 0.6, 0.1), (0.1, 0.5, 0.5), (0.5, 0.1, 0.4), (0.8, 0.35, 0.05), (0.6, 0.75, 0.85),
)  # fmt: skip
# Style: half width, height, half length (meters), wheel radius.
_CARS = {
    SEDAN: (0.9, 1.43, 2.3, 0.32),
    HATCHBACK: (0.87, 1.48, 2.0, 0.31),
    ESTATE: (0.92, 1.6, 2.35, 0.35),
    VAN: (0.98, 2.05, 2.5, 0.34),
}
_SHIFTED_CARS = {COUPE: (0.92, 1.3, 2.2, 0.33), PICKUP: (0.98, 1.8, 2.7, 0.39)}


def _paint(assembly: Assembly) -> Color:
    """Return a random color for the paint of a vehicle."""
    return assembly.dice.shade(assembly.dice.choice(_SHIFTED_COLORS if assembly.shifted else _COLORS), 0.3)


def add_wheels(
    assembly: Assembly, half_width: float, radius: float, axles: tuple[float, ...], width: float = 0.11
) -> None:
    """Add a wheel at both ends of each axle; ``axles`` are their forward positions in meters."""
    rim = assembly.dice.uniform(0.2, 0.6)
    for side in (-1, 1):
        for axle in axles:
            center = (side * (half_width - width + 0.03), radius, axle)
            assembly.add(WHEEL, center, (width, radius, radius), (rim, rim, rim), TIRE)


def add_lights(assembly: Assembly, half_width: float, up: float, front: float, back: float, braking: bool) -> None:
    """Add headlights at ``front``, and tail lights and a license plate at ``back``."""
    half_height = assembly.dice.uniform(0.07, 0.12)
    for side in (-1, 1):
        right = side * half_width * 0.74
        assembly.add(BOX, (right, up, front), (half_width * 0.2, half_height * 0.8, 0.04), (0.9, 0.9, 0.84), NIGHT_LAMP)
        tail = (0.85, 0.05, 0.03) if braking else (0.5, 0.03, 0.025)
        right = side * half_width * 0.8
        assembly.add(
            BOX, (right, up + 0.08, back), (half_width * 0.16, half_height, 0.04), tail, LAMP if braking else NIGHT_LAMP
        )
    assembly.add(BOX, (0, up - 0.08, back - 0.005), (0.26, 0.06, 0.03), (0.8, 0.8, 0.76), PLATE)


def add_car(assembly: Assembly, at: Point, yaw: float, pitch: float) -> None:
    """Add a car of a random style."""
    dice = assembly.dice
    if assembly.shifted and dice.chance(0.6):
        style = dice.choice(tuple(_SHIFTED_CARS))
    else:
        style = dice.weighted({SEDAN: 0.3, HATCHBACK: 0.32, ESTATE: 0.25, VAN: 0.13})
    half_width, height, half_length, radius = (_CARS | _SHIFTED_CARS)[style]
    size = dice.uniform(0.93, 1.07)
    half_width, height, half_length = half_width * size, height * dice.uniform(0.95, 1.06), half_length * size
    clearance = 0.2
    half_height = (height - clearance) / 2
    color = _paint(assembly)
    assembly.begin(CAR, at, yaw, pitch)
    assembly.add(style, (0, clearance + half_height, 0), (half_width, half_height, half_length), color, PAINT)
    lamps = clearance + 2 * half_height * (0.4 if style in (VAN, PICKUP) else 0.44)
    add_lights(assembly, half_width, lamps, half_length * 0.95, -half_length * 0.985, dice.chance(0.35))
    add_wheels(assembly, half_width, radius, (-0.6 * half_length, 0.63 * half_length))
    for side in (-1, 1):
        mirror = (side * (half_width + 0.05), clearance + 2 * half_height * 0.66, 0.36 * half_length)
        assembly.add(BOX, mirror, (0.09, 0.06, 0.05), color, METAL)
    if style == ESTATE and dice.chance(0.4):
        assembly.add(BOX, (0, height + 0.14, -0.2), (0.35, 0.14, 0.75), BLACK, METAL)
    if style == SEDAN and dice.chance(0.12):  # a taxi
        assembly.add(BOX, (0, height + 0.08, -0.15), (0.25, 0.08, 0.08), (0.95, 0.75, 0.1), LAMP)


def add_truck(assembly: Assembly, at: Point, yaw: float, pitch: float) -> None:
    """Add a box truck, a flatbed truck or a dump truck."""
    dice = assembly.dice
    half_length, half_width = dice.uniform(3.0, 4.6), dice.uniform(1.1, 1.25)
    color, second = _paint(assembly), _paint(assembly)
    assembly.begin(TRUCK, at, yaw, pitch)
    cab_top, cab_half = dice.uniform(2.4, 2.9), 0.85
    front = half_length - cab_half
    up = (0.6 + cab_top) / 2
    assembly.add(
        BEVELED, (0, up, front), (half_width * 0.97, (cab_top - 0.6) / 2, cab_half), color, PLAIN, taper=(0.96, 0.9)
    )
    glass = (0.035, 0.042, 0.05)
    glass_up = 0.6 + (cab_top - 0.6) * 0.68
    assembly.add(BOX, (0, glass_up, front + 0.02), (half_width * 0.84, 0.3, cab_half * 0.96), glass, GLASS_PANE)
    assembly.add(BOX, (0, glass_up, front + 0.2), (half_width * 0.985, 0.28, cab_half * 0.42), glass, GLASS_PANE)
    assembly.add(BOX, (0, 1.02, front + 0.05), (half_width * 0.6, 0.2, cab_half * 0.98), BLACK, PLAIN)
    back = front - cab_half - 0.15  # end of the load at the cab
    half_load = (back + half_length) / 2
    draw = dice.random()
    is_box = draw < 0.7
    top = dice.uniform(2.9, 3.6) if is_box else (1.6 if draw < 0.85 else 2.1)
    center, half = (0, (0.95 + top) / 2, back - half_load), (half_width, (top - 0.95) / 2, half_load)
    if is_box:
        box = dice.shade((0.8, 0.8, 0.78), 0.15) if dice.chance(0.5) else _paint(assembly)
        assembly.add(BOX, center, half, box, CARGO, second=second)
    else:
        assembly.add(BOX, center, half, second, CARGO, second=color)
        goods = dice.shade((0.4, 0.3, 0.2), 0.4)
        assembly.add(
            BEVELED, (0, top, back - half_load), (half_width * 0.85, 0.5, half_load * 0.8), goods, CARGO, second=color
        )
    assembly.add(BOX, (0, 0.8, -0.3), (0.5, 0.14, half_length * 0.94), BLACK, PLAIN)
    assembly.add(BOX, (0, 0.6, -half_length + 0.05), (half_width * 0.95, 0.07, 0.05), (0.5, 0.1, 0.08), PLAIN)
    add_lights(assembly, half_width, 0.72, half_length - 0.03, -half_length + 0.02, dice.chance(0.3))
    axles = (-0.72, 0.74) if half_length < 3.8 else (-0.72, -0.45, 0.74)
    add_wheels(assembly, half_width, 0.48, tuple(axle * half_length for axle in axles), 0.16)


def add_bus(assembly: Assembly, at: Point, yaw: float, pitch: float) -> None:
    """Add a city bus."""
    dice = assembly.dice
    half_length, half_width, top = dice.uniform(4.6, 6.0), 1.27, dice.uniform(2.95, 3.25)
    is_double_decker = dice.chance(0.6 if assembly.shifted else 0.0)
    color = _paint(assembly) if dice.chance(0.6) else dice.shade((0.75, 0.5, 0.06))
    second = _paint(assembly)
    assembly.begin(BUS, at, yaw, pitch)
    half_height = (top - 0.32) / 2
    half = (half_width, half_height, half_length)
    assembly.add(BEVELED, (0, 0.32 + half_height, 0), half, color, COACH, second=second, taper=(0.97, 1.0))
    if is_double_decker:
        assembly.add(BEVELED, (0, top + 0.8, 0), (half_width * 0.97, 0.95, half_length), color, COACH, second=second)
    elif dice.chance(0.6):
        assembly.add(BOX, (0, top + 0.12, -1), (0.7, 0.15, 1.4), dice.shade((0.7, 0.7, 0.7)), METAL)
    add_lights(assembly, half_width, 0.75, half_length - 0.02, -half_length + 0.02, dice.chance(0.4))
    add_wheels(assembly, half_width, 0.48, (-0.5 * half_length, 0.62 * half_length), 0.16)
    for side in (-1, 1):
        assembly.add(CYLINDER, (side * (half_width + 0.12), 2.2, half_length - 0.1), (0.08, 0.25, 0.1), BLACK, PLAIN)
