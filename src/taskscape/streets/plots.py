"""Plots of land behind the sidewalk: buildings, gardens, parks, railways."""

from taskscape.streets.assembly import Assembly
from taskscape.streets.barriers import add_fence, add_wall
from taskscape.streets.buildings import add_building
from taskscape.streets.classes import TERRAIN
from taskscape.streets.colors import Color
from taskscape.streets.furniture import add_utility_pole
from taskscape.streets.materials import BALLAST, METAL
from taskscape.streets.road import Road
from taskscape.streets.shapes import BOX
from taskscape.streets.trains import add_railway_train
from taskscape.streets.vegetation import add_bush, add_hedge, add_tree

_FAR = 150.0
"""Distance at which plots end, meters."""
_PLOT_KINDS = ("town", "houses", "park", "walled")


def add_plots(assembly: Assembly, road: Road, side: int, urban: float) -> None:
    """Add plots behind the sidewalk of side -1 or 1; ``urban`` 0..1 makes them denser."""
    dice = assembly.dice
    character = dice.weighted(
        {"town": 0.25 + 0.6 * urban, "houses": 0.35, "park": 0.25, "walled": 0.22, "railway": 0.16}
    )
    if character == "railway":
        _add_railway(assembly, road, side)
        return
    z = -4.0
    while z < _FAR:
        length = dice.uniform(8, 22) if character == "town" else dice.uniform(10, 24)
        if road.in_junction(z + length / 2, length / 2 + 3):
            z = z + 3 if z < road.junction else max(z + 3, road.junction + road.half_junction + 3)
            continue
        plot_kind = character if dice.chance(0.72) else dice.choice(_PLOT_KINDS)
        _add_plot(assembly, road, side, z, z + length, plot_kind, urban)
        z += length


def _add_plot(
    assembly: Assembly, road: Road, side: int, begin: float, end: float, plot_kind: str, urban: float
) -> None:
    dice, edge = assembly.dice, road.edge(side)
    if plot_kind == "town":
        setback = dice.uniform(0.1, 0.8) if dice.chance(0.8) else dice.uniform(2, 5)
    elif plot_kind == "houses":
        setback = dice.uniform(2.5, 7.0)
    elif plot_kind == "walled":
        setback = dice.uniform(4.0, 12.0)
    else:
        setback = 18.0
    if plot_kind != "park":
        add_building(assembly, road, side, begin, end, setback, urban)
    elif dice.chance(0.6):
        add_building(assembly, road, side, begin, end, dice.uniform(16, 30), urban)
    if setback < 1.9:
        return
    lateral = side * (edge + 0.3)
    border = dice.random()
    wall, fence = {"walled": (0.72, 0.95), "houses": (0.2, 0.68), "park": (0.12, 0.45)}.get(plot_kind, (0.2, 0.5))
    if border < wall:
        add_wall(assembly, road, begin, end, lateral)
    elif border < fence:
        add_fence(assembly, road, begin, end, lateral)
    elif border < fence + 0.2:
        add_hedge(assembly, road, begin, end, side * (edge + 0.7))
    trees = dice.integer(2, 4) if plot_kind == "park" else dice.integer(0, 1)
    for _ in range(trees):
        lateral = side * (edge + dice.uniform(1.6, max(2.2, min(setback - 1.5, 9))))
        z = dice.uniform(begin, end)
        add_tree(assembly, road.on_ground(z, lateral), dice.uniform(0.8, 1.5))
    for _ in range(dice.integer(0, 3)):
        lateral = side * (edge + dice.uniform(1.3, 4))
        z = dice.uniform(begin, end)
        add_bush(assembly, road.on_ground(z, lateral))


def _add_railway(assembly: Assembly, road: Road, side: int) -> None:
    """Add a railway along the road, often with a train, behind a fence."""
    dice, edge = assembly.dice, road.edge(side)
    lateral = side * (edge + dice.uniform(4.0, 6.5))
    dark: Color = (0.22, 0.2, 0.18)
    for middle in range(-3, 150, 6):
        if road.in_junction(middle, 3):
            continue
        assembly.begin(TERRAIN, road.on_ground(middle, lateral), road.yaw(middle), road.pitch(middle))
        assembly.add(BOX, (0, 0.1, 0), (2.3, 0.3, 3.02), dark, BALLAST, taper=(0.7, 1.0))
        for rail in (-0.75, 0.75):
            assembly.add(BOX, (rail, 0.46, 0), (0.05, 0.08, 3.02), (0.4, 0.36, 0.34), METAL)
    if dice.chance(0.75):
        begin = dice.uniform(3, 22)
        if begin < road.junction < begin + 30:
            begin = road.junction + road.half_junction + 3
        add_railway_train(assembly, road, begin, min(begin + dice.uniform(15, 60), 150), lateral)
    border_lateral = side * (edge + 0.4)
    pieces = [(-3.0, _FAR * 0.6)]
    if road.junction < 100:
        pieces = [
            (-3.0, road.junction - road.half_junction - 3),
            (road.junction + road.half_junction + 3, _FAR * 0.6),
        ]
    draw = dice.random()
    for begin, end in pieces:
        if draw < 0.5:
            add_fence(assembly, road, begin, end, border_lateral)
        elif draw < 0.7:
            add_hedge(assembly, road, begin, min(end, 60), border_lateral)
    for post in range(8, 140, 30):
        add_utility_pole(assembly, road.on_ground(post, side * (edge + 7.8)), road.yaw(post))
    for _ in range(dice.integer(4, 9)):
        z, tree_lateral = dice.uniform(5, 120), side * (edge + dice.uniform(10, 20))
        add_tree(assembly, road.on_ground(z, tree_lateral), 1.4)
