"""Houses and shops in the style ``photographs``."""

from taskscape.streets.compiled import compiled
from taskscape.streets.render.modulo import modulo
from taskscape.streets.render.noise import Table, noise, scatter
from taskscape.streets.render.spot import Look, Spot, bricks, clamp


@compiled
def house_front(spot: Spot, night: float, table: Table) -> Look:
    """A wall of brick, plaster or stone with doors and windows; the part's second color is that of the joinery."""
    if spot.ny < -0.6:
        return 0.2, 0.19, 0.18, 0.0, 0.0
    side = abs(spot.nx) > 0.5
    half_extent = spot.half_z if side else spot.half_x
    along, extent = (spot.z if side else spot.x) + half_extent, 2 * half_extent
    up, seed, w = spot.up, spot.seed, spot.footprint
    style = int(seed) % 8
    fine = clamp(1.2 - w * 10)
    value = 1 + 0.06 * noise(table, along * 18, up * 18) * fine + 0.1 * noise(table, along * 2.2 + seed, up * 0.9)
    value += 0.09 * noise(table, along * 7 + seed, up * 6)
    value *= 1 - 0.14 * clamp(1 - up / 1.5) + 0.05 * noise(table, along * 9 + seed, up * 0.6)
    if style < 4:
        value *= bricks(spot, along, up, table)
    elif style == 4:  # ashlar
        row = up / 0.34
        block = along / 0.7 + 0.5 * (int(row) % 2)
        value *= 1 + 0.16 * (scatter(block, row, seed) - 0.5) * fine
        if modulo(row, 1.0) < 0.07 or modulo(block, 1.0) < 0.04:
            value *= 1 - 0.25 * fine
    value = max(value, 0.2)
    red, green, blue = spot.red * value, spot.green * value, spot.blue * value
    floor_height = 2.65 + 0.8 * scatter(seed, 1, 0)
    bays = max(1.0, float(int(extent / (1.6 + 1.7 * scatter(seed, 2, 0)))))
    if up > spot.height - 0.2:  # gutter or cornice
        if style % 2 == 0:
            return 0.06, 0.06, 0.06, 0.1, 0.0
        return red * 0.5 + 0.25, green * 0.5 + 0.25, blue * 0.5 + 0.24, 0.0, 0.0
    if side and abs(along - 0.2) < 0.055 and modulo(seed, 2.0) < 1.2:  # a drainpipe
        return 0.07, 0.07, 0.07, 0.2, 0.0
    if not side and scatter(seed, 4, 0) > 0.3:  # a gable without windows
        return red, green, blue, 0.0, 0.0
    bay, story = along / extent * bays, up / floor_height
    u, v = (modulo(bay, 1.0) - 0.5) * extent / bays, modulo(story, 1.0) * floor_height
    chance = scatter(bay, story, seed)
    ground_floor = int(story) == 0
    half = min(0.36 + 0.3 * scatter(seed, 3, 0), 0.42 * extent / bays)
    low = 0.75 + 0.2 * scatter(seed, 5, 0)
    high = min(low + 1.15 + 0.6 * scatter(seed, 6, 0), floor_height - 0.3)
    if style == 7:  # modern: bands of glass
        half, low, high = 0.46 * extent / bays, 0.85, floor_height - 0.25
    if style in (2, 5) and v < 0.13 and not ground_floor:  # string courses
        return red * 0.45 + 0.3, green * 0.45 + 0.29, blue * 0.45 + 0.27, 0.0, 0.0
    wall_above = spot.height - int(story) * floor_height
    door = ground_floor and int(bay) == int(bays * scatter(seed, 7, 0)) and style != 7
    if door and abs(u) < 0.62 and v < 2.6:
        if abs(u) < 0.46 and v < 2.05:
            panel = 0.8 if abs(abs(u) - 0.22) < 0.03 or abs(v - 1.0) < 0.04 else 1.0
            return spot.red2 * panel, spot.green2 * panel, spot.blue2 * panel, 0.25, 0.0
        if abs(u) < 0.46 and 2.12 < v < 2.45:
            return 0.04, 0.045, 0.05, 0.6, 0.0
        return 0.5, 0.49, 0.46, 0.05, 0.0
    if wall_above < high + 0.1 or door:
        return red, green, blue, 0.0, 0.0
    if ground_floor and style in (2, 5):  # a rusticated or painted ground floor
        red, green, blue = red * 0.6 + 0.16, green * 0.6 + 0.16, blue * 0.6 + 0.15
    if abs(u) < half and low < v < high:
        edge = min(half - abs(u), min(v - low, high - v))
        joinery = 0.55 + 0.3 * scatter(seed, 8, 0)
        if style == 7 or scatter(seed, 9, 0) > 0.75:
            joinery = 0.08
        if v > high - 0.1 and fine > 0:  # in the shadow of the lintel
            return 0.03, 0.03, 0.032, 0.1, 0.0
        sash = abs(v - 0.5 * (low + high)) < 0.035 or abs(u) < (0.02 if style % 3 == 0 else 0.035)
        if style == 1 or style == 4:
            sash = sash or (abs(abs(u) - half * 0.5) < 0.018 and fine > 0.2)
        if edge < 0.055 or (sash and style != 7) or (style == 7 and abs(modulo(u, 1.2) - 0.6) < 0.03):
            return joinery, joinery, joinery * 0.97, 0.1, 0.0
        lit = scatter(bay, story, seed + 9)
        if lit < 0.4 * night:
            return 1.0, 0.75, 0.42, 0.2, 0.8 * night * (0.4 + lit)
        is_drawn = v > low + (high - low) * (0.2 + 2 * chance) or abs(u) > half * (0.4 + chance)
        if chance < 0.3 and is_drawn:  # curtains and blinds
            return 0.42, 0.4, 0.36, 0.35, 0.0
        pane = 0.008 + 0.04 * chance
        return pane, pane * 1.08, pane * 1.18, 0.3 + 0.65 * scatter(bay, story, seed + 2), 0.0
    if abs(u) < half + 0.12 and high <= v < high + 0.22 and style != 7:  # lintels
        tone = 0.42 if style in (0, 2, 4) else 0.16
        return red * 0.45 + tone, green * 0.45 + tone * 0.95, blue * 0.45 + tone * 0.85, 0.0, 0.0
    if abs(u) < half + 0.08 and low - 0.1 < v <= low:
        return red * 0.4 + 0.26, green * 0.4 + 0.26, blue * 0.4 + 0.25, 0.0, 0.0
    return red, green, blue, 0.0, 0.0


@compiled
def shop_front(spot: Spot, night: float, table: Table) -> Look:
    """Large panes over a low wall, with pillars and doors, and the name above. Colors: joinery and sign."""
    if spot.ny < -0.6:
        return 0.2, 0.2, 0.2, 0.0, 0.0
    along, up, seed, w = spot.z + spot.half_z, spot.up, spot.seed, spot.footprint
    top = spot.height - 0.55 - 0.35 * scatter(seed, 1, 0)
    if up > top:
        rise = (up - top) / (spot.height - top)
        if rise > 0.93 or rise < 0.08:
            return spot.red2 * 0.6, spot.green2 * 0.6, spot.blue2 * 0.6, 0.1, 0.0
        size = 0.22 + 0.3 * scatter(seed, 2, 0)
        letter = along / size
        begin = (0.15 + 0.3 * scatter(seed, 3, 0)) * 2 * spot.half_z
        is_inked = 0.25 < rise < 0.75 and begin < along < begin + (0.3 + 0.3 * scatter(seed, 4, 0)) * 2 * spot.half_z
        is_inked = is_inked and scatter(letter, seed, 3) > 0.15 and modulo(letter, 1.0) < 0.75
        if is_inked and scatter(letter * 3, rise * 4, seed) > 0.35:
            is_bright = spot.red2 + spot.green2 + spot.blue2 > 1.2
            ink = 0.05 if is_bright else 0.75
            return ink, ink, ink * 0.95, 0.05, 0.5 * night
        return spot.red2, spot.green2, spot.blue2, 0.15, 0.35 * night
    width = 1.3 + 1.6 * scatter(seed, 5, 0)
    pane = along / width
    u = (modulo(pane, 1.0) - 0.5) * width
    sill = 0.25 + 0.5 * scatter(seed, 6, 0)
    door = scatter(pane, 7, seed) > 0.72
    if door:
        sill = 0.12
    edge = 0.5 * width - abs(u)
    if edge < 0.06 or up < sill or abs(up - top + 0.45) < 0.03:
        joint = 0.75 if up < sill and abs(modulo(along, 0.6) - 0.3) < 0.02 else 1.0
        return spot.red * joint, spot.green * joint, spot.blue * joint, 0.15, 0.0
    if door and abs(abs(u) - 0.5) < 0.05:
        return spot.red * 0.8, spot.green * 0.8, spot.blue * 0.8, 0.15, 0.0
    # Behind the glass: a dark room, objects near the pane, posters, lamps.
    fade = clamp(1.3 - w * 3)
    room = 0.025 + 0.05 * scatter(pane, 8, seed) + 0.03 * noise(table, along * 12, up * 12) * fade
    glow = 0.4 * night * scatter(pane, 9, seed)
    red = green = blue = max(room, 0.01)
    goods_height = 0.35 + 0.75 * scatter(along / 0.5, 10, seed)
    if not door and up < sill + goods_height and scatter(along / 0.3, up / 0.28, seed) > 0.45:
        hue = scatter(along / 0.3, up / 0.28, seed + 4)
        red, green, blue = (
            0.05 + 0.3 * hue,
            0.05 + 0.25 * scatter(hue * 99, 1, 2),
            0.05 + 0.25 * scatter(hue * 99, 5, 2),
        )
    elif scatter(pane, 12, seed) > 0.75 and abs(u - 0.2) < 0.3 and sill + 0.3 < up < sill + 1.1:
        hue = scatter(pane, 13, seed)
        red, green, blue = 0.3 + 0.4 * hue, 0.5, 0.75 - 0.6 * hue
    elif up > top - 0.4 and scatter(along / 0.9, 14, seed) > 0.7 and abs(modulo(along, 0.9) - 0.45) < 0.08:
        return 1.0, 0.85, 0.6, 0.3, 0.5
    gloss = 0.45 + 0.5 * scatter(pane, 15, seed)
    return red, green, blue, gloss, glow
