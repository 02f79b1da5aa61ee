"""Vehicles: paint, windows, liveries, wheels."""

from taskscape.streets.compiled import compiled
from taskscape.streets.render.modulo import modulo
from taskscape.streets.render.noise import Table, noise, scatter
from taskscape.streets.render.spot import Look, Spot, clamp, gray, near
from taskscape.streets.shapes import GLASS


@compiled
def car_paint(spot: Spot) -> Look:
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
def coachwork(spot: Spot, table: Table) -> Look:
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


@compiled
def coach(spot: Spot, night: float) -> Look:
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
def cargo(spot: Spot, table: Table) -> Look:
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
def tire(spot: Spot) -> Look:
    """A car's wheel with its axis along x: a tire, and a rim with spokes."""
    b = 2 * spot.up / spot.height - 1
    a = spot.z / spot.half_z
    radius = (a * a + b * b) ** 0.5
    if abs(spot.nx) > 0.7 and radius < 0.66:
        hole = abs(a * b) > 0.045 and 0.2 < radius < 0.56
        return (0.06, 0.06, 0.06, 0.1, 0.0) if hole else (spot.red, spot.green, spot.blue, 0.4, 0.0)
    return 0.028, 0.028, 0.03, 0.05, 0.0
