"""People: walking, standing and riding. Their origin is between their feet; they face forward."""

import math

from taskscape.streets.assembly import Assembly, Point
from taskscape.streets.classes import PERSON, RIDER
from taskscape.streets.colors import Color, scaled
from taskscape.streets.materials import CLOTH, PLAIN
from taskscape.streets.shapes import BEVELED, LIMB, SPHERE

_SKIN: Color = (0.62, 0.42, 0.32)
_TROUSERS: tuple[Color, ...] = ((0.05, 0.07, 0.16), (0.05, 0.05, 0.05), (0.32, 0.26, 0.18), (0.2, 0.2, 0.22))


def add_limb(
    assembly: Assembly, a: Point, b: Point, radius: float, color: Color, texture: int = CLOTH, thin: float = 0.75
) -> None:
    """Add a limb from ``a`` to ``b``, both (right, up, forward), that becomes thinner towards ``b``."""
    dx, du, dz = a[0] - b[0], a[1] - b[1], a[2] - b[2]
    length = math.sqrt(dx * dx + du * du + dz * dz)
    # The limb's axis is vertical in its object's frame; pitch tilts it forward, roll sideways.
    pitch = -math.atan2(dz, du)
    roll = math.asin(max(-1.0, min(1.0, dx / length)))
    middle = ((a[0] + b[0]) / 2, (a[1] + b[1]) / 2, (a[2] + b[2]) / 2)
    assembly.add(
        LIMB, middle, (radius * thin, length / 2 + radius * 0.3, radius * thin), color, texture, pitch=pitch, roll=roll,
        taper=(1 / thin, 1 / thin),
    )  # fmt: skip


def _clothes(assembly: Assembly) -> tuple[Color, Color]:
    """Return the colors of the upper and the lower half."""
    dice = assembly.dice
    if assembly.shifted:
        top, bottom = dice.color(0.2, 0.9), dice.color(0.2, 0.8)
    else:
        top = dice.color(0.03, 0.7) if dice.chance(0.6) else dice.shade((0.06, 0.06, 0.07), 0.5)
        bottom = dice.shade(dice.choice(_TROUSERS), 0.4)
    return scaled(top, assembly.clothes), scaled(bottom, assembly.clothes)


def _head(assembly: Assembly, up: float, forward: float, s: float, skin: Color, helmet: Color | None) -> None:
    dice = assembly.dice
    assembly.add(SPHERE, (0, up, forward), (0.082 * s, 0.12 * s, 0.098 * s), skin, PLAIN)
    if helmet is not None:
        assembly.add(SPHERE, (0, up + 0.045 * s, forward - 0.01), (0.115 * s, 0.105 * s, 0.14 * s), helmet, PLAIN)
        return
    hair = dice.shade(dice.choice(((0.05, 0.035, 0.025), (0.16, 0.09, 0.04), (0.45, 0.33, 0.16), (0.4, 0.4, 0.4))), 0.3)
    assembly.add(SPHERE, (0, up + 0.045 * s, forward - 0.03 * s), (0.092 * s, 0.095 * s, 0.1 * s), hair, PLAIN)


def add_person(assembly: Assembly, at: Point, yaw: float, walking: bool = True) -> None:
    """Add a pedestrian: adult or child, in trousers, skirt or coat, with or without a bag."""
    dice = assembly.dice
    height = dice.uniform(1.05, 1.35) if dice.chance(0.1) else dice.uniform(1.55, 1.92)
    s, wide = height / 1.75, dice.uniform(0.92, 1.2)
    top, bottom = _clothes(assembly)
    skin = dice.shade(_SKIN, 0.55)
    stride = dice.uniform(0.2, 0.42) if walking else dice.uniform(0, 0.06)
    assembly.begin(PERSON, at, yaw)
    shoe = (0.04, 0.035, 0.03)
    for side, swing in ((-1, 1), (1, -1)):
        hip = (side * 0.095 * s * wide, 0.9 * s, 0.0)
        knee = (side * 0.1 * s, 0.49 * s, (swing * stride * 0.55 + 0.05) * s)
        foot = (side * 0.1 * s, 0.07 * s, (swing * stride - 0.03) * s)
        add_limb(assembly, hip, knee, 0.1 * s * wide, bottom)
        add_limb(assembly, knee, foot, 0.075 * s, bottom)
        assembly.add(BEVELED, (foot[0], 0.045 * s, foot[2] + 0.06 * s), (0.045 * s, 0.045 * s, 0.13 * s), shoe, PLAIN)
        shoulder = (side * 0.2 * s * wide, 1.42 * s, 0.0)
        elbow = (side * 0.25 * s * wide, 1.14 * s, -swing * stride * 0.35 * s)
        hand = (side * 0.24 * s * wide, 0.9 * s, (-swing * stride * 0.75 + 0.1) * s)
        add_limb(assembly, shoulder, elbow, 0.062 * s, top)
        add_limb(assembly, elbow, hand, 0.05 * s, top if dice.chance(0.7) else skin)
    second = dice.color()
    torso = (0.165 * s * wide, 0.3 * s, 0.115 * s * wide)
    assembly.add(LIMB, (0, 1.18 * s, 0), torso, top, CLOTH, taper=(1.25, 1.05), second=second)
    outfit = dice.random()
    if outfit < 0.2:
        assembly.add(LIMB, (0, 0.72 * s, 0), (0.24 * s * wide, 0.24 * s, 0.2 * s), bottom, CLOTH, taper=(0.7, 0.65))
    elif outfit < 0.45:
        assembly.add(LIMB, (0, 0.8 * s, 0), (0.21 * s * wide, 0.22 * s, 0.16 * s), top, CLOTH, taper=(0.9, 0.9))
    assembly.add(SPHERE, (0, 1.46 * s, 0), (0.2 * s * wide, 0.07 * s, 0.11 * s), top, CLOTH)
    _head(assembly, 1.63 * s, 0.01, s, skin, None)
    if dice.chance(0.25):
        assembly.add(BEVELED, (0, 1.22 * s, -0.2 * s), (0.16 * s, 0.23 * s, 0.1 * s), second, CLOTH)
    elif dice.chance(0.25):
        assembly.add(BEVELED, (0.3 * s, 0.72 * s, 0), (0.06 * s, 0.18 * s, 0.16 * s), second, CLOTH)


def add_rider(assembly: Assembly, saddle: float, bars: Point, pedals: float) -> None:
    """Add a rider to the current object: seated at height ``saddle``, hands at ``bars``, feet at height ``pedals``."""
    dice = assembly.dice
    top, bottom = _clothes(assembly)
    skin = dice.shade(_SKIN, 0.5)
    lean = dice.uniform(0.1, 0.32)
    shoulder_up, shoulder_forward = saddle + 0.52, -0.2 + lean

    vehicle = assembly.relabel(RIDER)
    for side, swing in ((-1, 1), (1, -1)):
        foot = (side * 0.13, pedals + 0.12 * swing + 0.05, 0.1 + 0.08 * swing)
        knee = (side * 0.15, (saddle + foot[1]) / 2 + 0.1, 0.28 + 0.06 * swing)
        add_limb(assembly, (side * 0.1, saddle + 0.03, -0.2), knee, 0.1, bottom)
        add_limb(assembly, knee, foot, 0.075, bottom)
        assembly.add(
            BEVELED, (foot[0], foot[1] - 0.04, foot[2] + 0.06), (0.045, 0.045, 0.12), (0.04, 0.04, 0.04), PLAIN
        )
        elbow = (side * 0.3, (shoulder_up + bars[1]) / 2 - 0.06, (shoulder_forward + bars[2]) / 2)
        add_limb(assembly, (side * 0.2, shoulder_up - 0.02, shoulder_forward), elbow, 0.062, top)
        add_limb(assembly, elbow, (side * bars[0], bars[1], bars[2]), 0.05, top)
    tilt = -math.atan2(lean, 0.5)
    middle = (0.0, saddle + 0.27, -0.2 + lean / 2)
    assembly.add(LIMB, middle, (0.17, 0.31, 0.125), top, CLOTH, pitch=tilt, taper=(1.25, 1.1), second=dice.color())
    helmet = dice.color(0.05, 0.9) if dice.chance(0.6) else None
    _head(assembly, shoulder_up + 0.2, shoulder_forward + 0.06, 1.05, skin, helmet)
    if dice.chance(0.3):
        assembly.add(BEVELED, (0, saddle + 0.36, shoulder_forward - 0.27), (0.16, 0.22, 0.1), dice.color(), CLOTH)
    assembly.relabel(vehicle)
