"""Textures of the style ``photographs``: worn roads, paving, house fronts, shops, bare crowns, railings."""

import numpy as np
import numpy.typing as npt

from taskscape.streets.compiled import compiled
from taskscape.streets.materials import LEAVES, RAILING
from taskscape.streets.render.modulo import modulo
from taskscape.streets.render.noise import noise, scatter
from taskscape.streets.render.spot import Look, RoadPaint, Spot, bricks, clamp, gray

Table = npt.NDArray[np.float32]


@compiled
def _worn(spot: Spot, half_road: float, table: Table) -> float:
    """Return the brightness of an old road with chippings, streaks, seams, patches, cracks, manholes and dirt."""
    x, z, t, w, seed = spot.world_x, spot.world_z, spot.lateral, spot.footprint, spot.seed
    coarse = 0.07 + 0.17 * scatter(seed, 11, 0)
    value = 1 + coarse * noise(table, x * 31, z * 31) * clamp(1 - w * 14)
    uneven = 0.04 + 0.08 * scatter(seed, 18, 0)
    value += uneven * (noise(table, x * 1.9 + 50, z * 0.7) + noise(table, t * 12, z * 0.3 + seed))
    value += 0.5 * uneven * noise(table, x * 7, z * 7 + 30)
    patchy = scatter(seed, 12, 0)
    patch = scatter((t + 40) / (0.9 + patchy), z / (3 + 9 * patchy) + 9, seed)
    if patch > 1 - 0.2 * patchy:
        value *= 0.65 + 0.25 * patchy
    elif patch < 0.05 * patchy:
        value *= 1.18
    trench = (scatter(seed, 13, 0) - 0.5) * 1.6 * half_road  # where a pipe was laid along the road
    if abs(t - trench) < 0.35 and patchy > 0.4:
        value *= 0.84
    seam = abs(abs(t - trench) - 0.36) < 0.02 + 0.4 * w or abs(t - 0.15) < 0.015 + 0.3 * w
    if seam and patchy > 0.3:
        value *= 1 - 0.3 * clamp(1.2 - w * 8)
    if abs(noise(table, x * 4, z * 4 + 99)) < 0.03 * patchy:
        value -= 0.25 * clamp(1.2 - w * 10)
    cell = z / 9
    if scatter(cell, 14, seed) > 0.5:  # a manhole
        dz, dt = (modulo(cell, 1.0) - 0.5) * 9, t - (scatter(cell, 15, seed) - 0.5) * 1.5 * half_road
        distance = max(abs(dz), abs(dt)) if scatter(cell, 16, seed) > 0.5 else (dz**2 + dt**2) ** 0.5
        if distance < 0.36:
            value *= 0.62 if distance > 0.3 or modulo(dz * 12, 1.0) < 0.4 else 0.8
    speck = scatter(x * 14, z * 11, seed)  # leaves, litter, stains
    if speck > 0.992:
        value *= 0.6
    elif speck < 0.005:
        value *= 1.6
    bay = half_road - abs(t)
    if 0 < bay < 0.45:
        value *= 0.88 - 0.1 * clamp(noise(table, z * 4, t * 9))
    return max(value, 0.25)


@compiled
def _setts(x: float, z: float, seed: float, footprint: float, table: Table) -> float:
    """Return the brightness of cobblestones."""
    row = z / 0.14
    stone = x / 0.2 + 0.5 * (int(row) % 2)
    fade = clamp(1.3 - footprint * 9)
    value = 1 + 0.4 * (scatter(stone, row, seed) - 0.5) * fade + 0.1 * noise(table, x * 2, z * 2)
    if modulo(row, 1.0) < 0.16 or modulo(stone, 1.0) < 0.12:
        value *= 1 - 0.45 * fade
    return value


@compiled
def _line(distance: float, half: float, footprint: float) -> float:
    """Return the coverage of a spot by a painted line."""
    soft = 0.5 * footprint + 0.004
    return clamp((half + soft - abs(distance)) / (2 * soft)) * min(1.0, half / soft)


@compiled
def _worn_paint(share: float, seed: float, x: float, z: float, table: Table) -> float:
    """Return the share of the paint that is left."""
    old = scatter(seed, 21, 0)
    return share * clamp(1.15 - 0.5 * old - (0.2 + 0.3 * old) * noise(table, x * 37, z * 37 + 7))


@compiled
def tarmac(spot: Spot, paint: RoadPaint, table: Table) -> Look:
    """The carriageway: worn asphalt, rarely cobblestones, with lines, arrows and lettering."""
    x, z, t, w, seed = spot.world_x, spot.world_z, spot.lateral, spot.footprint, spot.seed
    is_cobbled = scatter(seed, 17, 0) < 0.04
    value = _setts(t, z, seed, w, table) if is_cobbled else _worn(spot, paint.half_road, table)
    red, green, blue = spot.red * value, spot.green * value, spot.blue * value
    half = paint.half_road
    white = yellow = 0.0
    is_clear = True
    for i in range(paint.zebras.shape[0]):
        from_zebra = z - paint.zebras[i]
        if abs(from_zebra) < 3.2:
            is_clear = False
        if abs(from_zebra) < 1.5 and modulo(t, 1.2) < 0.6 and abs(t) < half - 0.2:
            white = 1.0
        if 2.3 < abs(from_zebra) < 2.5 and abs(t) < half - 0.2 and modulo(t, 0.8) < 0.5:
            white = 1.0
    if is_clear and not is_cobbled:
        dashed = 9.0 if scatter(seed, 22, 0) > 0.4 else 6.0
        for i in range(paint.markings.shape[0]):
            if paint.markings[i, 1] == 0 or modulo(z, dashed) < 0.5 * dashed - 0.9:
                white = max(white, _line(t - paint.markings[i, 0], 0.06, w))
        edge = scatter(seed, 23, 0)
        bay = half - abs(t)
        if edge < 0.4:
            yellow = _line(bay - 0.28, 0.05, w)
            if edge < 0.28:
                yellow = max(yellow, _line(bay - 0.5, 0.05, w))
        elif edge < 0.55:
            white = max(white, _line(bay - 0.45, 0.06, w))
        lane = t / paint.lane_width
        middle = (lane - int(lane) - (0.5 if lane > 0 else -0.5)) * paint.lane_width
        cell = z / 17
        along = modulo(cell, 1.0) * 17
        draw = scatter(cell, int(lane + 40), seed + 3)
        if along < 3.2 and abs(t) < half - 0.5:
            if draw < 0.1:  # an arrow
                head = 0.55 * (along - 2.0) / 1.2
                arrow = (abs(middle) < 0.09 and along < 2.1) or (along > 2.0 and abs(middle) < 0.6 - head)
                white = max(white, 1.0 if arrow else 0.0)
            elif draw < 0.18 and along < 2.2 and abs(middle) < 0.9:  # a word
                ink = scatter((middle + 9) / 0.2, along / 0.75, seed + draw * 99) > 0.4 and modulo(middle, 0.45) < 0.36
                white = max(white, 0.9 if ink else 0.0)
    if paint.junction < 900:
        from_junction = z - (paint.junction - paint.half_junction)
        if -3.4 < from_junction < -3.1 and is_clear:
            white = max(white, 0.9)
    white = _worn_paint(white, seed, x, z, table)
    yellow = _worn_paint(yellow, seed, x, z, table)
    red, green, blue = red + (0.6 - red) * white, green + (0.6 - green) * white, blue + (0.58 - blue) * white
    red, green, blue = red + (0.5 - red) * yellow, green + (0.4 - green) * yellow, blue + (0.12 - blue) * yellow
    return red, green, blue, 0.1, 0.0


@compiled
def crossroads(spot: Spot, paint: RoadPaint, table: Table) -> Look:
    """The junction: asphalt, sometimes with a yellow box marking."""
    value = _worn(spot, 1e3, table)
    red, green, blue = spot.red * value, spot.green * value, spot.blue * value
    from_center, t = spot.world_z - paint.junction, spot.lateral
    white = yellow = 0.0
    beyond = abs(t) - paint.half_road
    if beyond > 3.0:
        if modulo(spot.world_x, 6.0) < 3.2:
            white = _line(from_center, 0.06, spot.footprint)
    elif scatter(spot.seed, 24, 0) < 0.35 and beyond < 0 and abs(from_center) < paint.half_junction - 0.4:
        diagonal, antidiagonal = modulo(t + from_center, 2.2) - 1.1, modulo(t - from_center, 2.2) - 1.1
        yellow = max(_line(diagonal * 0.7, 0.06, spot.footprint), _line(antidiagonal * 0.7, 0.06, spot.footprint))
    elif abs(abs(from_center) - paint.half_junction + 0.5) < 0.12 and modulo(t, 1.0) < 0.6 and beyond < 0:
        white = 0.9
    white = _worn_paint(white, spot.seed, spot.world_x, spot.world_z, table)
    yellow = _worn_paint(yellow, spot.seed, spot.world_x, spot.world_z, table)
    red, green, blue = red + (0.6 - red) * white, green + (0.6 - green) * white, blue + (0.58 - blue) * white
    red, green, blue = red + (0.5 - red) * yellow, green + (0.4 - green) * yellow, blue + (0.12 - blue) * yellow
    return red, green, blue, 0.1, 0.0


@compiled
def paving(spot: Spot, paint: RoadPaint, table: Table) -> Look:
    """The sidewalk behind its curbstones: asphalt like the road's, slabs, blocks or setts."""
    t, z, w, seed = spot.lateral, spot.world_z, spot.footprint, spot.seed
    from_curb = abs(t) - paint.half_road
    stone = 0.9 if scatter(seed, 31, 0) > 0.3 else 0.6
    if abs(spot.ny) < 0.5 or 0 <= from_curb < 0.14:
        joint = 0.72 if modulo(z, stone) < 0.025 + w * 0.2 else 1.0
        light = (0.9 + 0.5 * scatter(seed, 32, 0)) * (1 + 0.3 * (scatter(z / stone, 33, seed) - 0.5)) * joint
        if abs(spot.ny) < 0.5:
            light *= 0.8 - 0.15 * clamp(noise(table, z * 5, 3))
        shade = light * (0.05 + 0.8 * (spot.red + spot.green + spot.blue) / 3)
        return shade * 1.02, shade, shade * 0.97, 0.08, 0.0
    style = int(5 * scatter(seed + (7 if t > 0 else 0), 34, 0))
    value = 1 + 0.07 * noise(table, t * 2, z * 2) + 0.05 * noise(table, t * 9, z * 0.6)
    if style == 0 or style == 4:  # asphalt
        value += 0.08 * noise(table, t * 31, z * 31) * clamp(1 - w * 14)
        patch = scatter((t + 40) / 1.3, z / 4, seed)
        if patch > 0.9:
            value *= 0.75
    elif style == 1 or style == 2:  # slabs
        long, wide = (0.9, 0.6) if style == 1 else (0.6, 0.45)
        row = z / wide
        slab = t / long + 0.5 * (int(row) % 2)
        fade = clamp(1.3 - w * 5)
        value += (0.22 * (scatter(slab, row, seed) - 0.5) + 0.06 * noise(table, t * 24, z * 24)) * fade
        if scatter(slab, row, seed + 1) > 0.94:
            value *= 0.7
        if modulo(row, 1.0) < 0.03 / wide or modulo(slab, 1.0) < 0.03 / long:
            value *= 1 - 0.35 * fade
    else:  # blocks
        value *= _setts(t, z, seed, w, table)
    wall = noise(table, t * 6, z * 6 + 300)
    if wall > 1.6:  # stains, leaves
        value *= 0.7
    return gray(spot, max(value, 0.25), 0.08)


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


@compiled
def _crown_plane(spot: Spot) -> tuple[float, float]:
    """Return two coordinates on a crown in metres, roughly image coordinates for a camera looking along the road."""
    return spot.world_x + 0.2 * spot.world_z, spot.world_y


@compiled
def leaves(spot: Spot, table: Table) -> Look:
    """A dense crown or hedge: clumps of leaves with dark gaps between them."""
    a, b = _crown_plane(spot)
    fade = clamp(1.3 - spot.footprint * 7)
    clump = noise(table, a * 14, b * 14)
    fine = scatter(a * 16, b * 16, spot.seed)
    value = 0.85 + 0.45 * clump + 0.7 * (fine - 0.5) * fade + 0.25 * noise(table, a * 5, b * 5 + 70)
    value = min(max(value, 0.12), 2.2)
    return spot.red * value, spot.green * value, spot.blue * value * (1 - 0.15 * fine), 0.02, 0.0


@compiled
def twigs(spot: Spot, table: Table) -> Look:
    """Branches without leaves."""
    a, b = _crown_plane(spot)
    value = 1 + 0.35 * noise(table, a * 30, b * 30)
    return gray(spot, max(value, 0.3), 0.0)


@compiled
def railing(spot: Spot) -> Look:
    """Iron bars, slats or wire."""
    return gray(spot, 1.0 if spot.up < spot.height - 0.1 else 1.15, 0.15)


@compiled
def cover(spot: Spot, facing: float, table: Table) -> float:
    """Return the opaque share of a surface with holes, 0..1; ``facing`` is 1 seen straight on, 0 at the outline."""
    w = spot.footprint
    if spot.material == RAILING:  # the second color: spacing and width of the bars in metres, and 1 for wire mesh
        along = spot.z if abs(spot.nx) > 0.5 else spot.x
        pace, bar, wire_mesh = spot.red2, spot.green2, spot.blue2
        share = bar / pace
        rail = abs(spot.up - 0.14) < 0.025 + 0.3 * w or abs(spot.up - spot.height + 0.16) < 0.025 + 0.3 * w
        if wire_mesh > 0.5:
            rail = spot.up > spot.height - 0.05
            diagonal, antidiagonal = modulo((along + spot.up) / pace, 1.0), modulo((along - spot.up) / pace, 1.0)
            is_drawn = diagonal < share or antidiagonal < share
            share = min(2 * share, 1.0)
        else:
            is_drawn = modulo(along / pace, 1.0) < share
        if rail:
            return 1.0
        sharp = clamp(1.6 - 2.2 * w / pace)
        return sharp * (1.0 if is_drawn else 0.0) + (1 - sharp) * share
    a, b = _crown_plane(spot)
    if spot.material == LEAVES:
        gap = 0.8 * noise(table, a * 45, b * 45 + 40) + 1.6 * (scatter(a * 12, b * 12, 3) - 0.5)
        return 1.0 if gap > -1.25 + 1.6 * clamp(1 - 2 * facing) else 0.0
    # Branches follow the lines on which noise is near zero, and twigs are thinner than pixels; the red of the second
    # color is their density.
    density = spot.red2
    whole = clamp(0.2 + 1.3 * facing)
    limb, twig = abs(noise(table, a * 26, b * 11)), abs(noise(table, a * 48 + 90, b * 30))
    if limb < 0.09 * whole or twig < (0.05 + 0.1 * density) * whole:
        return 1.0
    return clamp(0.15 + 0.45 * density + 0.16 * noise(table, a * 12, b * 6 + 20)) * whole * whole
