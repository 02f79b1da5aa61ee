"""The ground in the style ``photographs``: worn roads and paving."""

from taskscape.streets.compiled import compiled
from taskscape.streets.render.modulo import modulo
from taskscape.streets.render.noise import Table, noise, scatter
from taskscape.streets.render.spot import Look, RoadPaint, Spot, clamp, gray


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
def _painted(spot: Spot, value: float, white: float, yellow: float, table: Table) -> Look:
    """Return the road, ``value`` times as bright, under worn paint that covers these shares of the spot."""
    old = scatter(spot.seed, 21, 0)
    left = clamp(1.15 - 0.5 * old - (0.2 + 0.3 * old) * noise(table, spot.world_x * 37, spot.world_z * 37 + 7))
    white, yellow = white * left, yellow * left
    red, green, blue = spot.red * value, spot.green * value, spot.blue * value
    red, green, blue = red + (0.6 - red) * white, green + (0.6 - green) * white, blue + (0.58 - blue) * white
    red, green, blue = red + (0.5 - red) * yellow, green + (0.4 - green) * yellow, blue + (0.12 - blue) * yellow
    return red, green, blue, 0.1, 0.0


@compiled
def tarmac(spot: Spot, paint: RoadPaint, table: Table) -> Look:
    """The carriageway: worn asphalt, rarely cobblestones, with lines, arrows and lettering."""
    z, t, w, seed = spot.world_z, spot.lateral, spot.footprint, spot.seed
    is_cobbled = scatter(seed, 17, 0) < 0.04
    value = _setts(t, z, seed, w, table) if is_cobbled else _worn(spot, paint.half_road, table)
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
    return _painted(spot, value, white, yellow, table)


@compiled
def crossroads(spot: Spot, paint: RoadPaint, table: Table) -> Look:
    """The junction: asphalt, sometimes with a yellow box marking."""
    value = _worn(spot, 1e3, table)
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
    return _painted(spot, value, white, yellow, table)


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
