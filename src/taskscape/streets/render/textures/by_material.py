"""The texture of each material."""

from taskscape.streets import materials
from taskscape.streets.compiled import compiled, inlined
from taskscape.streets.render.modulo import modulo
from taskscape.streets.render.noise import Table, noise, scatter
from taskscape.streets.render.spot import Look, RoadPaint, Spot, gray
from taskscape.streets.render.textures.buildings import facade, shop, tiles, wall
from taskscape.streets.render.textures.ground import carriageway, grass, junction, pavement
from taskscape.streets.render.textures.objects import cloth, foliage, sign
from taskscape.streets.render.textures.sheer import leaves, railing, twigs
from taskscape.streets.render.textures.town_buildings import house_front, shop_front
from taskscape.streets.render.textures.town_ground import crossroads, paving, tarmac
from taskscape.streets.render.textures.vehicles import car_paint, cargo, coach, coachwork, tire


@inlined
def ground(spot: Spot, paint: RoadPaint, table: Table, town: int | None) -> Look:
    """Return the color, gloss and glow of the ground at a spot; ``town``: see ``surface``."""
    material = spot.material
    if town is not None and material >= materials.TARMAC:
        if material == materials.TARMAC:
            return tarmac(spot, paint, table)
        if material == materials.CROSSROADS:
            return crossroads(spot, paint, table)
        return paving(spot, paint, table)
    if material == materials.CARRIAGEWAY:
        return carriageway(spot, paint, table)
    if material == materials.JUNCTION:
        return junction(spot, paint, table)
    if material == materials.PAVEMENT:
        return pavement(spot, table)
    return grass(spot, table)


@inlined
def surface(spot: Spot, night: float, table: Table, town: int | None) -> Look:
    """Return the color, gloss and glow of a part at a spot.

    ``town`` is None if there are no materials of the style ``photographs``, see ``shade``. Materials that cover most of
    an image come first. The others are in a separate function, as a call zeroes memory for the result of every function
    in it.
    """
    material = spot.material
    if town is not None and material >= materials.TARMAC:
        return _town(spot, night, table)
    if material == materials.FACADE:
        return facade(spot, night, table)
    if material == materials.FOLIAGE:
        return foliage(spot)
    if material == materials.PAINT:
        return car_paint(spot)
    return _seldom(spot, night, table)


@compiled
def _town(spot: Spot, night: float, table: Table) -> Look:
    """Materials of the style ``photographs``."""
    material = spot.material
    if material == materials.HOUSE_FRONT:
        return house_front(spot, night, table)
    if material == materials.SHOP_FRONT:
        return shop_front(spot, night, table)
    if material == materials.LEAVES:
        return leaves(spot, table)
    if material == materials.TWIGS:
        return twigs(spot, table)
    if material == materials.COACHWORK:
        return coachwork(spot, table)
    return railing(spot)


@compiled
def _seldom(spot: Spot, night: float, table: Table) -> Look:
    """Materials that cover few pixels."""
    material = spot.material
    if material == materials.GRASS:
        return grass(spot, table)
    if material == materials.SHOP:
        return shop(spot, night, table)
    if material in (materials.BRICK, materials.CONCRETE):
        return wall(spot, material == materials.BRICK, table)
    if material == materials.TILES:
        return tiles(spot, table)
    if material == materials.COACH:
        return coach(spot, night)
    if material == materials.CARGO:
        return cargo(spot, table)
    if material == materials.SIGN:
        return sign(spot)
    if material == materials.CLOTH:
        return cloth(spot, table)
    if material == materials.TIRE:
        return tire(spot)
    if material == materials.LAMP:
        return spot.red, spot.green, spot.blue, 0.1, 1.1
    if material == materials.NIGHT_LAMP:
        return spot.red, spot.green, spot.blue, 0.5, 3.0 * night + 0.05
    if material == materials.GLASS_PANE:
        return spot.red, spot.green, spot.blue, 0.75, 0.0
    if material == materials.METAL:
        return gray(spot, 1.0, 0.3)
    if material in (materials.BARK, materials.WOOD):
        grain = 1 + 0.25 * noise(table, (spot.x + spot.z) * 40 + spot.seed, spot.up * 5)
        return gray(spot, grain, 0.0)
    if material == materials.BALLAST:
        return gray(spot, 1 + 0.4 * noise(table, spot.world_x * 40, spot.world_z * 40), 0.0)
    if material == materials.STRIPES:
        band = (spot.z if abs(spot.nx) > 0.5 or spot.half_z > spot.half_x else spot.x) / 0.35
        if modulo(band, 1.0) < 0.5:
            return spot.red2, spot.green2, spot.blue2, 0.0, 0.0
    if material == materials.SPOKES:
        a, b = spot.z / spot.half_z, 2 * spot.up / spot.height - 1
        is_inside = a * a + b * b < 0.72
        value = 2.2 if is_inside else 1.0
        return gray(spot, value, 0.2)
    if material == materials.PLATE:
        dark = scatter(spot.x / 0.07, 2, spot.seed) > 0.4 and abs(2 * spot.up / spot.height - 1) < 0.5
        return (0.1, 0.1, 0.1, 0.1, 0.0) if dark else (spot.red, spot.green, spot.blue, 0.1, 0.1)
    return spot.red, spot.green, spot.blue, 0.05, 0.0
