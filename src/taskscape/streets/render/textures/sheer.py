"""Surfaces with holes: crowns, with or without leaves, and railings."""

from taskscape.streets.compiled import compiled
from taskscape.streets.materials import LEAVES, RAILING
from taskscape.streets.render.modulo import modulo
from taskscape.streets.render.noise import Table, noise, scatter
from taskscape.streets.render.spot import Look, Spot, clamp, gray


@compiled
def _crown_plane(spot: Spot) -> tuple[float, float]:
    """Return two coordinates on a crown in meters, roughly image coordinates for a camera looking along the road."""
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
    if spot.material == RAILING:  # the second color: spacing and width of the bars in meters, and 1 for wire mesh
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
