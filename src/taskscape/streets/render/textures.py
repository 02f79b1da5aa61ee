"""Textures of materials: color, gloss and glow at a point of a part.

A texture is a function from a ``Spot`` to (red, green, blue, gloss, glow). To add one, name it in ``materials.py``,
write its function and call it in ``ground`` or ``surface``. Details smaller than ``spot.footprint`` should fade out, as
the renderer uses few samples.
"""

import numpy as np
import numpy.typing as npt

from taskscape.streets.compiled import compiled, inlined
from taskscape.streets.materials import (
    BALLAST,
    BARK,
    BRICK,
    CARGO,
    CARRIAGEWAY,
    CLOTH,
    COACH,
    COACHWORK,
    CONCRETE,
    CROSSROADS,
    FACADE,
    FOLIAGE,
    GLASS_PANE,
    GRASS,
    HOUSE_FRONT,
    JUNCTION,
    LAMP,
    LEAVES,
    METAL,
    NIGHT_LAMP,
    PAINT,
    PAVEMENT,
    PLATE,
    SHOP,
    SHOP_FRONT,
    SIGN,
    SPOKES,
    STRIPES,
    TARMAC,
    TILES,
    TIRE,
    TWIGS,
    WOOD,
)  # fmt: skip
from taskscape.streets.render.modulo import modulo
from taskscape.streets.render.noise import noise, scatter
from taskscape.streets.render.spot import Look, RoadPaint, Spot, bricks, clamp, gray, near
from taskscape.streets.render.town import (
    cover,
    crossroads,
    house_front,
    leaves,
    paving,
    railing,
    shop_front,
    tarmac,
    twigs,
)
from taskscape.streets.shapes import GLASS

__all__ = ["cover", "ground", "surface"]


@compiled
def _asphalt(spot: Spot, table: npt.NDArray[np.float32]) -> float:
    """Return the brightness of worn asphalt."""
    x, z = spot.world_x, spot.world_z
    fine = clamp(1 - spot.footprint * 14)
    value = 1 + 0.11 * noise(table, x * 26, z * 26) * fine + 0.09 * noise(table, x * 2.5 + 50, z * 1.3)
    if abs(noise(table, x * 5, z * 5 + 99)) < 0.025:  # cracks
        value -= 0.25 * clamp(1.2 - spot.footprint * 10)
    patch = scatter(spot.lateral / 1.7, z / 6, spot.seed)
    if patch > 0.95:  # patches
        value *= 0.8
    elif patch < 0.03:
        value *= 1.13
    return value


@compiled
def _carriageway(spot: Spot, paint: RoadPaint, table: npt.NDArray[np.float32]) -> Look:
    z, t, w = spot.world_z, spot.lateral, spot.footprint
    value = _asphalt(spot, table)
    track = abs(abs(modulo(t / paint.lane_width, 1.0) - 0.5) - 0.25) * paint.lane_width
    value *= 1 - 0.14 * max(0.0, 1 - track / 0.45)
    red, green, blue, gloss = spot.red * value, spot.green * value, spot.blue * value, 0.12
    painted = 0.0
    is_clear = True
    for i in range(paint.zebras.shape[0]):
        from_zebra = z - paint.zebras[i]
        if abs(from_zebra) < 3.2:
            is_clear = False
        if abs(from_zebra) < 1.6 and modulo(t, 1.1) < 0.55 and abs(t) < paint.half_road - 0.3:
            painted = 1.0
        if i == 0 and abs(from_zebra + 2.7) < 0.2 and t > 0:
            painted = 1.0
    if is_clear:
        for i in range(paint.markings.shape[0]):
            if paint.markings[i, 1] == 0 or modulo(z, 9.0) < 3.6:
                painted = max(painted, near(t - paint.markings[i, 0], 0.075, w))
        bay = paint.half_road - abs(t)
        if bay < 1.9 and paint.markings.shape[0] > 1 and modulo(spot.seed, 2.0) < 1:
            painted = max(painted, 0.7 * near(modulo(z, 6.0) - 3, 0.05, w))
    for i in range(paint.rails.shape[0]):
        from_rail = t - paint.rails[i]
        if abs(from_rail) < 1.25:
            slab = 0.75 + 0.06 * noise(table, spot.world_x * 9, z * 9)
            if abs(modulo(z, 4.0) - 2) > 1.96:
                slab *= 0.75
            share = 0.55
            red, green, blue = (
                red + (0.36 * slab - red) * share, green + (0.35 * slab - green) * share,
                blue + (0.33 * slab - blue) * share,
            )  # fmt: skip
        rail = abs(abs(from_rail) - 0.72)
        steel = near(rail, 0.05, w)
        groove = near(rail - 0.11, 0.05, w)
        red += (0.5 - red) * steel - red * 0.7 * groove
        green += (0.5 - green) * steel - green * 0.7 * groove
        blue += (0.53 - blue) * steel - blue * 0.7 * groove
        gloss = max(gloss, 0.5 * steel)
    if painted > 0:
        wear = clamp(1.25 - 0.35 * noise(table, spot.world_x * 37, z * 37 + 7)) * painted * 0.9
        red, green, blue = red + (0.72 - red) * wear, green + (0.72 - green) * wear, blue + (0.68 - blue) * wear
    return red, green, blue, gloss, 0.0


@compiled
def _junction(spot: Spot, paint: RoadPaint, table: npt.NDArray[np.float32]) -> Look:
    value = _asphalt(spot, table)
    from_center = spot.world_z - paint.junction
    beyond = abs(spot.lateral) - paint.half_road
    painted = 0.0
    if beyond > 1.0:
        if beyond > 4.5 and modulo(spot.world_x, 7.0) < 3:
            painted = near(from_center, 0.07, spot.footprint)
        if 1.2 < beyond < 4.2 and modulo(from_center, 1.1) < 0.55 and abs(from_center) < paint.half_junction - 0.4:
            painted = 0.9
    red, green, blue = spot.red * value, spot.green * value, spot.blue * value
    painted *= 0.85
    return red + (0.7 - red) * painted, green + (0.7 - green) * painted, blue + (0.67 - blue) * painted, 0.12, 0.0


@compiled
def _pavement(spot: Spot, table: npt.NDArray[np.float32]) -> Look:
    x, z = spot.lateral, spot.world_z
    if abs(spot.ny) < 0.5:  # the face of the curb
        joint = 0.75 if modulo(z, 1.0) < 0.03 + spot.footprint * 0.2 else 1.0
        return gray(spot, 1.12 * joint, 0.1)
    style = int(spot.seed) % 3
    slab = 0.6 if style == 0 else (0.3 if style == 1 else 1.2)
    fade = clamp(1.3 - spot.footprint / slab * 3)
    shift = 0.5 * slab * (int(z / slab) % 2)
    value = 1 + 0.07 * noise(table, x * 20, z * 20) * fade + 0.08 * noise(table, x * 2, z * 2)
    value += 0.2 * (scatter((x + shift) / slab, z / slab, spot.seed) - 0.5) * fade
    if modulo(x + shift, slab) < 0.03 or modulo(z, slab) < 0.03:
        value *= 1 - 0.3 * fade
    return gray(spot, value, 0.1)


@compiled
def _grass(spot: Spot, table: npt.NDArray[np.float32]) -> Look:
    x, z = spot.world_x, spot.world_z
    value = 1 + 0.3 * noise(table, x * 14, z * 14) * clamp(1.2 - spot.footprint * 6)
    bare = noise(table, x * 1.7 + 200, z * 1.7)
    value = min(max(value + 0.2 * bare, 0.3), 2.0)
    if bare > 1.1:  # bare earth
        return 0.27 * value, 0.21 * value, 0.14 * value, 0.0, 0.0
    dry = 0.12 * clamp(noise(table, x * 0.9 + 31, z * 0.9))
    return (spot.red + dry) * value, (spot.green + 0.6 * dry) * value, spot.blue * value, 0.0, 0.0


@compiled
def _facade(spot: Spot, night: float, table: npt.NDArray[np.float32]) -> Look:
    if spot.ny < -0.6:  # a flat roof
        return 0.3, 0.29, 0.28, 0.0, 0.0
    side = abs(spot.nx) > 0.5
    along = (spot.z if side else spot.x) + (spot.half_z if side else spot.half_x)
    extent = 2 * (spot.half_z if side else spot.half_x)
    up, seed = spot.up, spot.seed
    floor_height = 2.8 + 0.9 * scatter(seed, 1, 0)
    bays = max(1.0, float(int(extent / (1.7 + 2.3 * scatter(seed, 2, 0)))))
    style = int(seed) % 6
    value = 1 + 0.06 * noise(table, along * 18, up * 18) + 0.08 * noise(table, along * 2.2 + seed, up * 0.9)
    if style == 0 or style == 3:
        value *= bricks(spot, along, up, table)
    red, green, blue = spot.red * value, spot.green * value, spot.blue * value
    if up > spot.height - 0.45 or (modulo(up, floor_height) < 0.14 and style % 2 == 0):  # cornice, string courses
        return red * 0.7 + 0.2, green * 0.7 + 0.2, blue * 0.7 + 0.19, 0.0, 0.0
    if up < 0.5:  # plinth
        return red * 0.55, green * 0.55, blue * 0.55, 0.0, 0.0
    bay, story = along / extent * bays, up / floor_height
    u, v = modulo(bay, 1.0) - 0.5, modulo(story, 1.0)
    chance = scatter(bay, story, seed)
    half = 0.2 + 0.16 * scatter(seed, 3, 0)
    low, high = (0.12, 0.8) if style == 1 else (0.3, 0.83)
    if style == 4:  # an office: bands of glass
        half, low, high = 0.48, 0.28, 0.9
    if int(story) == 0 and scatter(bay, 7, seed) > 0.8:  # a door
        if abs(u) < half * 0.75 and v < 0.72:
            return spot.red2 * 0.6, spot.green2 * 0.6, spot.blue2 * 0.6, 0.2, 0.0
    elif story + 0.2 < spot.height / floor_height:
        metres_u = abs(u) * extent / bays
        frame = 0.07 * bays / extent
        if abs(u) < half and low < v < high:
            bar = metres_u < 0.045 or abs(v - (low + high) * 0.5) * floor_height < 0.035
            if (bar and style != 4) or abs(u) > half - frame:
                return 0.55 + 0.2 * spot.red2, 0.55 + 0.2 * spot.green2, 0.54 + 0.2 * spot.blue2, 0.1, 0.0
            blind = low + (high - low) * (0.25 + 0.5 * scatter(bay, story, seed + 5))
            if chance < 0.18 and v > blind:
                return 0.6, 0.57, 0.5, 0.1, 0.0
            lit = scatter(bay, story, seed + 9)
            if lit < 0.42 * night:
                return 1.0, 0.72, 0.38, 0.2, 0.9 * night * (0.4 + lit)
            pane = 0.05 + 0.13 * chance
            return pane, pane * 1.1, pane * 1.25, 0.55 + 0.3 * chance, 0.0
        if style == 5 and half < abs(u) < half + 0.12 and low < v < high:  # shutters
            slat = 0.8 + 0.35 * float(int(up / 0.08) % 2) * clamp(1.2 - spot.footprint * 12)
            return spot.red2 * slat, spot.green2 * slat, spot.blue2 * slat, 0.1, 0.0
        if abs(u) < half + frame and low - 0.03 < v < high + 0.04:  # surrounds and sills
            return red * 0.5 + 0.32, green * 0.5 + 0.32, blue * 0.5 + 0.31, 0.0, 0.0
    return red, green, blue, 0.0, 0.0


@compiled
def _shop(spot: Spot, night: float, table: npt.NDArray[np.float32]) -> Look:
    along, up = spot.z + spot.half_z, spot.up
    pane = along / 2.3
    u = abs(modulo(pane, 1.0) - 0.5)
    if up > spot.height - 0.75:  # the sign: letters on a background of the shop's color
        letter = along / 0.3
        ink = scatter(letter, spot.seed, 3) > 0.4 and abs(modulo(letter, 1.0) - 0.5) < 0.33 and modulo(along, 6.0) < 4
        ink = ink and spot.height - 0.58 < up < spot.height - 0.2
        if ink and scatter(letter * 3, up * 8, spot.seed) > 0.25:
            return 0.9, 0.88, 0.8, 0.0, 0.8 * night
        return spot.red2, spot.green2, spot.blue2, 0.2, 0.5 * night
    if u < 0.44 and up > 0.4:
        goods = scatter(along / 0.4, up / 0.35, spot.seed)
        dim = 0.5 + 0.5 * noise(table, along * 30, up * 30)
        glow = 0.9 * night + 0.06
        return (
            (0.1 + 0.4 * goods) * dim + 0.25 * night,
            (0.1 + 0.3 * scatter(goods * 99, 1, 2)) * dim + 0.2 * night,
            ((0.1 + 0.3 * scatter(goods * 99, 5, 2)) * dim + 0.1 * night),
            0.5,
            glow,
        )
    return spot.red, spot.green, spot.blue, 0.2, 0.0


@compiled
def _tiles(spot: Spot, table: npt.NDArray[np.float32]) -> Look:
    along = spot.z if abs(spot.nx) > 0.3 else spot.x
    fade = clamp(1.2 - spot.footprint * 5)
    value = 1 + 0.3 * (scatter(along / 0.3, spot.up / 0.3, spot.seed) - 0.5) * fade
    value *= 1 - 0.3 * fade * (1.0 if modulo(spot.up, 0.3) < 0.06 else 0.0) + 0.1 * noise(table, along * 3, spot.up * 3)
    return gray(spot, value, 0.05)


@compiled
def _wall(spot: Spot, brick: bool, table: npt.NDArray[np.float32]) -> Look:
    along = spot.z if abs(spot.nx) > 0.5 else spot.x
    if spot.ny < -0.6 or spot.up > spot.height - 0.12:  # coping
        return spot.red * 0.5 + 0.2, spot.green * 0.5 + 0.2, spot.blue * 0.5 + 0.2, 0.0, 0.0
    if brick:
        return gray(spot, bricks(spot, along, spot.up, table), 0.0)
    value = 1 + 0.1 * noise(table, along * 12, spot.up * 12) + 0.12 * noise(table, along * 1.5, spot.up * 0.7)
    if modulo(along, 2.5) < 0.03:
        value *= 0.7
    if int(spot.seed) % 3 == 0 and noise(table, along * 22 + spot.seed, spot.up * 30 + 5) > 0.9:  # graffiti
        tag = scatter(along / 2.5, 0, spot.seed)
        if tag > 0.5 and spot.up < 1.4:
            return tag, 0.9 * scatter(tag * 50, 1, 1), 0.9 * scatter(tag * 50, 2, 2), 0.0, 0.0
    return gray(spot, value, 0.0)


@compiled
def _foliage(spot: Spot) -> Look:
    fade = clamp(1.3 - spot.footprint * 9)
    clump = scatter(spot.world_x * 11, spot.world_y * 11, scatter(spot.world_z * 11, 1, 1) * 99)
    value = 0.95 + 0.6 * (clump - 0.4) * fade
    return spot.red * value, spot.green * value, spot.blue * value * (1 - 0.2 * clump), 0.03, 0.0


@compiled
def _paint(spot: Spot) -> Look:
    """Car paint; the cabin's sides are glass between pillars, and the body has doors."""
    height, forward = spot.up / spot.height, spot.z / spot.half_z
    if spot.zone == GLASS:
        if abs(spot.nx) > 0.5:
            pillar = abs(forward + 0.18) < 0.035 or height > 0.93
            if pillar:
                return spot.red * 0.8, spot.green * 0.8, spot.blue * 0.8, 0.4, 0.0
        return 0.035, 0.042, 0.05, 0.75, 0.0
    if height < 0.12:
        return 0.04, 0.04, 0.042, 0.1, 0.0
    value = 1.0
    if abs(spot.nx) > 0.7 and height > 0.16:
        seam = min(abs(forward + 0.18), abs(forward - 0.32), abs(forward + 0.6)) * spot.half_z
        value = 1 - 0.5 * near(seam, 0.012, spot.footprint)
        if abs(height - 0.5) < 0.02 and (abs(forward + 0.08) < 0.04 or abs(forward + 0.5) < 0.04):
            value = 0.4
    if spot.nz > 0.6 and abs(spot.x) < 0.45 * spot.half_x and 0.15 < height < 0.42:  # the grille
        return 0.05, 0.05, 0.055, 0.2, 0.0
    return spot.red * value, spot.green * value, spot.blue * value, 0.42, 0.0


@compiled
def _coach(spot: Spot, night: float) -> Look:
    """A bus or tram: a livery of two colors, and a band of windows with people behind them."""
    height = spot.up / spot.height
    side = abs(spot.nx) > 0.6
    along = spot.z if side else spot.x
    if spot.ny < -0.7:
        return 0.5, 0.5, 0.5, 0.1, 0.0
    low = 0.42 if side else 0.36
    if low < height < 0.8:
        pane = along / 1.35
        if (not side and abs(along) > spot.half_x * 0.86) or (side and abs(modulo(pane, 1.0) - 0.5) > 0.46):
            return 0.06, 0.06, 0.065, 0.3, 0.0
        if 0.8 * night > scatter(1, 2, spot.seed) * 0.7:
            return 0.9, 0.85, 0.7, 0.5, 0.55 * night
        head = scatter(along / 0.45, 3, spot.seed) > 0.6 and height < low + 0.17
        dark = 0.03 if head else 0.08
        return dark, dark * 1.1, dark * 1.2, 0.7, 0.0
    if side and (abs(along + 0.45 * spot.half_z) < 0.62 or abs(along - 0.55 * spot.half_z) < 0.62) and height < 0.8:
        edge = min(abs(abs(along + 0.45 * spot.half_z) - 0.3), abs(abs(along - 0.55 * spot.half_z) - 0.3))
        if edge < 0.26 and height > 0.08:  # doors
            return 0.07, 0.08, 0.09, 0.6, 0.0
    if not side and height > 0.84:  # line number and destination
        if scatter(along / 0.16, 1, spot.seed) > 0.35 and abs(along) < 0.6 * spot.half_x and height < 0.94:
            return 1.0, 0.6, 0.12, 0.0, 0.5
        return 0.04, 0.04, 0.04, 0.3, 0.0
    has_second_color = height < 0.3 if int(spot.seed) % 3 else height > 0.8
    if int(spot.seed) % 4 == 1 and side:
        has_second_color = abs(along / spot.half_z + 1.2 * height - 0.9) < 0.4
    if has_second_color:
        return spot.red2, spot.green2, spot.blue2, 0.35, 0.0
    if height < 0.07:
        return 0.05, 0.05, 0.05, 0.1, 0.0
    return spot.red, spot.green, spot.blue, 0.35, 0.0


@compiled
def _cargo(spot: Spot, table: npt.NDArray[np.float32]) -> Look:
    """The box of a truck: ribs, tarpaulin or a company's lettering."""
    height = spot.up / spot.height
    along = spot.z if abs(spot.nx) > 0.6 else spot.x
    value = 1 + 0.05 * noise(table, along * 5, spot.up * 5)
    style = int(spot.seed) % 4
    if height < 0.05 or height > 0.96:
        return 0.35, 0.35, 0.36, 0.2, 0.0
    if abs(spot.nz) > 0.6 and abs(spot.x) < 0.025 + 0.5 * spot.footprint:  # the gap between the doors
        return 0.2, 0.2, 0.2, 0.1, 0.0
    if style == 0:
        value *= 1 - 0.25 * (1.0 if modulo(along, 0.4) < 0.1 else 0.0) * clamp(1.4 - spot.footprint * 6)
    elif style == 1 and 0.35 < height < 0.72 and abs(spot.nx) > 0.6:
        letter = along / 0.55
        ink = scatter(letter, 9, spot.seed) > 0.25 and modulo(letter, 1.0) < 0.75 and abs(along) < 0.7 * spot.half_z
        if ink and scatter(letter * 3, spot.up * 5, spot.seed) > 0.3:
            return spot.red2, spot.green2, spot.blue2, 0.2, 0.0
    elif style == 2 and height < 0.4:
        return spot.red2, spot.green2, spot.blue2, 0.2, 0.0
    return gray(spot, value, 0.2)


@compiled
def _sign(spot: Spot) -> Look:
    """A traffic sign with a rim and a pictogram of few strokes. It faces backwards, -z."""
    if spot.nz > -0.3:
        return 0.38, 0.38, 0.39, 0.2, 0.0
    a, b = spot.x / spot.half_x, 2 * spot.up / spot.height - 1
    round_sign = int(spot.seed) % 2 == 0
    rim = (a * a + b * b) ** 0.5 if round_sign else max(abs(a), abs(b))
    style = int(spot.seed / 2) % 6
    if rim > 0.93:
        return 0.8, 0.8, 0.8, 0.2, 0.0
    if rim > 0.72 and style != 2:
        return spot.red, spot.green, spot.blue, 0.2, 0.06
    if style == 0:  # no entry: a bar
        bar = abs(b) < 0.18 and abs(a) < 0.6
        white = bar
    elif style == 1:  # an arrow
        white = (abs(a) < 0.12 and b < 0.3) or (abs(a) < 0.5 * (0.65 - b) and b >= 0.1)
    elif style == 2:  # lines of writing
        white = scatter((a + 1) * 4, (b + 1) * 2.5, spot.seed) > 0.45 and modulo((b + 1) * 2.5, 1.0) < 0.6
    elif style == 3:  # digits in black on white
        cell = scatter((a + 1) * 3.5, (b + 1) * 3.5, spot.seed) > 0.5
        dark = cell and abs(a) < 0.5 and abs(b) < 0.5
        return (0.05, 0.05, 0.05, 0.1, 0.0) if dark else (0.85, 0.85, 0.85, 0.2, 0.04)
    elif style == 4:  # a walking figure
        white = (abs(a) < 0.14 and abs(b) < 0.3) or a * a + (b - 0.45) ** 2 < 0.02 or abs(abs(a) + b + 0.45) < 0.14
    else:
        white = abs(a - b) < 0.2
    if white:
        return 0.88, 0.88, 0.86, 0.2, 0.06
    return spot.red2, spot.green2, spot.blue2, 0.2, 0.05


@compiled
def _cloth(spot: Spot, table: npt.NDArray[np.float32]) -> Look:
    value = 1 + 0.12 * noise(table, spot.up * 60, spot.x * 60 + spot.z * 30 + spot.seed)
    # Clothes have a pattern if the second color is not black; trousers are plain.
    pattern = int(spot.seed) % 7 if spot.red2 + spot.green2 + spot.blue2 > 0 else 6
    if pattern == 0 and modulo(spot.up, 0.1) < 0.05:
        return spot.red2, spot.green2, spot.blue2, 0.0, 0.0
    if pattern == 1 and modulo(spot.x + spot.up, 0.12) < 0.04:
        return spot.red2, spot.green2, spot.blue2, 0.0, 0.0
    return gray(spot, value, 0.02)


@compiled
def _tire(spot: Spot) -> Look:
    """A car's wheel with its axis along x: a tire, and a rim with spokes."""
    b = 2 * spot.up / spot.height - 1
    a = spot.z / spot.half_z
    radius = (a * a + b * b) ** 0.5
    if abs(spot.nx) > 0.7 and radius < 0.66:
        hole = abs(a * b) > 0.045 and 0.2 < radius < 0.56
        return (0.06, 0.06, 0.06, 0.1, 0.0) if hole else (spot.red, spot.green, spot.blue, 0.4, 0.0)
    return 0.028, 0.028, 0.03, 0.05, 0.0


@compiled
def _coachwork(spot: Spot, table: npt.NDArray[np.float32]) -> Look:
    """Car paint with wheel arches, seals around the glass, and the interior behind it."""
    height, forward = spot.up / spot.height, spot.z / spot.half_z
    side = abs(spot.nx) > 0.5
    if spot.zone == GLASS:
        if side and (abs(forward + 0.18) < 0.035 or abs(forward + 0.62) < 0.03):
            return spot.red * 0.7, spot.green * 0.7, spot.blue * 0.7, 0.4, 0.0
        if height > 0.95:
            return spot.red * 0.8, spot.green * 0.8, spot.blue * 0.8, 0.4, 0.0
        interior = 0.02 + 0.03 * clamp(noise(table, spot.z * 25 + spot.x * 25 + spot.seed, spot.up * 20))
        return interior, interior * 1.1, interior * 1.2, 0.8, 0.0
    if height < 0.1:
        return 0.02, 0.02, 0.022, 0.1, 0.0
    if side:
        from_rear_axle, from_front_axle = spot.z + 0.6 * spot.half_z, spot.z - 0.63 * spot.half_z
        squared_distance = (
            min(from_rear_axle * from_rear_axle, from_front_axle * from_front_axle) + (spot.up - 0.12) ** 2
        )
        if squared_distance < 0.16:
            return 0.012, 0.012, 0.013, 0.0, 0.0
        seam = min(abs(forward + 0.18), abs(forward - 0.32), abs(forward + 0.55)) * spot.half_z
        value = 1 - 0.5 * near(seam, 0.012, spot.footprint)
        if abs(height - 0.5) < 0.02 and (abs(forward + 0.08) < 0.04 or abs(forward + 0.45) < 0.04):
            value = 0.35
        if abs(height - 0.3) < 0.02:  # a trim strip
            value *= 0.6
        return spot.red * value, spot.green * value, spot.blue * value, 0.45, 0.0
    if spot.nz > 0.5 and abs(spot.x) < 0.5 * spot.half_x and 0.2 < height < 0.42:  # the grille
        return 0.03, 0.03, 0.033, 0.3, 0.0
    if abs(spot.nz) > 0.5 and abs(height - 0.46) < 0.015:
        return spot.red * 0.5, spot.green * 0.5, spot.blue * 0.5, 0.3, 0.0
    return spot.red, spot.green, spot.blue, 0.45, 0.0


@inlined
def ground(spot: Spot, paint: RoadPaint, table: npt.NDArray[np.float32], town: int | None) -> Look:
    """Return the color, gloss and glow of the ground at a spot; ``town``: see ``surface``."""
    material = spot.material
    if town is not None and material >= TARMAC:
        if material == TARMAC:
            return tarmac(spot, paint, table)
        if material == CROSSROADS:
            return crossroads(spot, paint, table)
        return paving(spot, paint, table)
    if material == CARRIAGEWAY:
        return _carriageway(spot, paint, table)
    if material == JUNCTION:
        return _junction(spot, paint, table)
    if material == PAVEMENT:
        return _pavement(spot, table)
    return _grass(spot, table)


@compiled
def _town(spot: Spot, night: float, table: npt.NDArray[np.float32]) -> Look:
    """Materials of the style ``photographs``."""
    material = spot.material
    if material == HOUSE_FRONT:
        return house_front(spot, night, table)
    if material == SHOP_FRONT:
        return shop_front(spot, night, table)
    if material == LEAVES:
        return leaves(spot, table)
    if material == TWIGS:
        return twigs(spot, table)
    if material == COACHWORK:
        return _coachwork(spot, table)
    return railing(spot)


@inlined
def surface(spot: Spot, night: float, table: npt.NDArray[np.float32], town: int | None) -> Look:
    """Return the color, gloss and glow of a part at a spot.

    ``town`` is None if there are no materials from ``town.py``, see ``shade``. Materials that cover most of an image
    come first. The others are in a separate function, as a call zeroes memory for the result of every function in it.
    """
    material = spot.material
    if town is not None and material >= TARMAC:
        return _town(spot, night, table)
    if material == FACADE:
        return _facade(spot, night, table)
    if material == FOLIAGE:
        return _foliage(spot)
    if material == PAINT:
        return _paint(spot)
    return _seldom(spot, night, table)


@compiled
def _seldom(spot: Spot, night: float, table: npt.NDArray[np.float32]) -> Look:
    """Materials that cover few pixels."""
    material = spot.material
    if material == GRASS:
        return _grass(spot, table)
    if material == SHOP:
        return _shop(spot, night, table)
    if material in (BRICK, CONCRETE):
        return _wall(spot, material == BRICK, table)
    if material == TILES:
        return _tiles(spot, table)
    if material == COACH:
        return _coach(spot, night)
    if material == CARGO:
        return _cargo(spot, table)
    if material == SIGN:
        return _sign(spot)
    if material == CLOTH:
        return _cloth(spot, table)
    if material == TIRE:
        return _tire(spot)
    if material == LAMP:
        return spot.red, spot.green, spot.blue, 0.1, 1.1
    if material == NIGHT_LAMP:
        return spot.red, spot.green, spot.blue, 0.5, 3.0 * night + 0.05
    if material == GLASS_PANE:
        return spot.red, spot.green, spot.blue, 0.75, 0.0
    if material == METAL:
        return gray(spot, 1.0, 0.3)
    if material in (BARK, WOOD):
        grain = 1 + 0.25 * noise(table, (spot.x + spot.z) * 40 + spot.seed, spot.up * 5)
        return gray(spot, grain, 0.0)
    if material == BALLAST:
        return gray(spot, 1 + 0.4 * noise(table, spot.world_x * 40, spot.world_z * 40), 0.0)
    if material == STRIPES:
        band = (spot.z if abs(spot.nx) > 0.5 or spot.half_z > spot.half_x else spot.x) / 0.35
        if modulo(band, 1.0) < 0.5:
            return spot.red2, spot.green2, spot.blue2, 0.0, 0.0
    if material == SPOKES:
        a, b = spot.z / spot.half_z, 2 * spot.up / spot.height - 1
        is_inside = a * a + b * b < 0.72
        value = 2.2 if is_inside else 1.0
        return gray(spot, value, 0.2)
    if material == PLATE:
        dark = scatter(spot.x / 0.07, 2, spot.seed) > 0.4 and abs(2 * spot.up / spot.height - 1) < 0.5
        return (0.1, 0.1, 0.1, 0.1, 0.0) if dark else (spot.red, spot.green, spot.blue, 0.1, 0.1)
    return spot.red, spot.green, spot.blue, 0.05, 0.0
