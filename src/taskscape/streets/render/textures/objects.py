"""Plants of classic streets, signs and clothes."""

from taskscape.streets.compiled import compiled
from taskscape.streets.render.modulo import modulo
from taskscape.streets.render.noise import Table, noise, scatter
from taskscape.streets.render.spot import Look, Spot, clamp, gray


@compiled
def foliage(spot: Spot) -> Look:
    """Single leaves of a crown."""
    fade = clamp(1.3 - spot.footprint * 9)
    clump = scatter(spot.world_x * 11, spot.world_y * 11, scatter(spot.world_z * 11, 1, 1) * 99)
    value = 0.95 + 0.6 * (clump - 0.4) * fade
    return spot.red * value, spot.green * value, spot.blue * value * (1 - 0.2 * clump), 0.03, 0.0


@compiled
def sign(spot: Spot) -> Look:
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
def cloth(spot: Spot, table: Table) -> Look:
    """Clothes, some with stripes in the second color."""
    value = 1 + 0.12 * noise(table, spot.up * 60, spot.x * 60 + spot.z * 30 + spot.seed)
    # Clothes have a pattern if the second color is not black; trousers are plain.
    pattern = int(spot.seed) % 7 if spot.red2 + spot.green2 + spot.blue2 > 0 else 6
    if pattern == 0 and modulo(spot.up, 0.1) < 0.05:
        return spot.red2, spot.green2, spot.blue2, 0.0, 0.0
    if pattern == 1 and modulo(spot.x + spot.up, 0.12) < 0.04:
        return spot.red2, spot.green2, spot.blue2, 0.0, 0.0
    return gray(spot, value, 0.02)
