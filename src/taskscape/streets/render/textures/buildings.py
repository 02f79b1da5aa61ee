"""Buildings and walls of classic streets."""

from taskscape.streets.compiled import compiled
from taskscape.streets.render.modulo import modulo
from taskscape.streets.render.noise import Table, noise, scatter
from taskscape.streets.render.spot import Look, Spot, bricks, clamp, gray


@compiled
def facade(spot: Spot, night: float, table: Table) -> Look:
    """A wall with windows and doors; the part's second color is that of doors, shutters and frames."""
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
        meters_u = abs(u) * extent / bays
        frame = 0.07 * bays / extent
        if abs(u) < half and low < v < high:
            bar = meters_u < 0.045 or abs(v - (low + high) * 0.5) * floor_height < 0.035
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
def shop(spot: Spot, night: float, table: Table) -> Look:
    """Large panes between pillars, and the name above."""
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
def tiles(spot: Spot, table: Table) -> Look:
    """A tiled roof."""
    along = spot.z if abs(spot.nx) > 0.3 else spot.x
    fade = clamp(1.2 - spot.footprint * 5)
    value = 1 + 0.3 * (scatter(along / 0.3, spot.up / 0.3, spot.seed) - 0.5) * fade
    value *= 1 - 0.3 * fade * (1.0 if modulo(spot.up, 0.3) < 0.06 else 0.0) + 0.1 * noise(table, along * 3, spot.up * 3)
    return gray(spot, value, 0.05)


@compiled
def wall(spot: Spot, brick: bool, table: Table) -> Look:
    """A wall of bricks or concrete."""
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
