"""The ground of classic streets: carriageway, junction, sidewalk, grass."""

from taskscape.streets.compiled import compiled
from taskscape.streets.render.modulo import modulo
from taskscape.streets.render.noise import Table, noise, scatter
from taskscape.streets.render.spot import Look, RoadPaint, Spot, clamp, gray, near


@compiled
def _asphalt(spot: Spot, table: Table) -> float:
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
def carriageway(spot: Spot, paint: RoadPaint, table: Table) -> Look:
    """Worn asphalt with lines, zebra crossings and tram rails."""
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
def junction(spot: Spot, paint: RoadPaint, table: Table) -> Look:
    """Worn asphalt with the markings of the crossing street."""
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
def pavement(spot: Spot, table: Table) -> Look:
    """The sidewalk: slabs behind a curb."""
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
def grass(spot: Spot, table: Table) -> Look:
    """Grass with dry and bare spots."""
    x, z = spot.world_x, spot.world_z
    value = 1 + 0.3 * noise(table, x * 14, z * 14) * clamp(1.2 - spot.footprint * 6)
    bare = noise(table, x * 1.7 + 200, z * 1.7)
    value = min(max(value + 0.2 * bare, 0.3), 2.0)
    if bare > 1.1:  # bare earth
        return 0.27 * value, 0.21 * value, 0.14 * value, 0.0, 0.0
    dry = 0.12 * clamp(noise(table, x * 0.9 + 31, z * 0.9))
    return (spot.red + dry) * value, (spot.green + 0.6 * dry) * value, spot.blue * value, 0.0, 0.0
