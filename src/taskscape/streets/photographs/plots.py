"""Plots of land behind the sidewalk: shops, rows of houses, single houses, parks, yards."""

from taskscape.streets.assembly import Assembly
from taskscape.streets.photographs.houses import add_block, add_house, choose_design
from taskscape.streets.photographs.railings import add_railing, add_wall
from taskscape.streets.photographs.road import HIGH_STREET, LEAFY, TERRACES, WIDE
from taskscape.streets.photographs.trees import add_hedge, add_shrub, add_tree
from taskscape.streets.road import Road

_FAR = 140.0
"""Distance at which plots end, meters."""

_SHOPS, _ROW, _HOUSES, _PARK, _YARD = range(5)
"""Kinds of plots beside the road: shops, a row of houses, single houses, trees, a wall or fence."""
_SHARES = {
    HIGH_STREET: {_SHOPS: 0.7, _ROW: 0.18, _PARK: 0.12},
    TERRACES: {_ROW: 0.7, _HOUSES: 0.15, _SHOPS: 0.05, _PARK: 0.05, _YARD: 0.05},
    LEAFY: {_PARK: 0.5, _HOUSES: 0.2, _ROW: 0.15, _YARD: 0.05, _SHOPS: 0.1},
    WIDE: {_PARK: 0.42, _HOUSES: 0.22, _YARD: 0.16, _ROW: 0.1, _SHOPS: 0.1},
}


class Plots:
    """The plots on one side of a road, from z = begin to end each."""

    def __init__(self, assembly: Assembly, road: Road, side: int, street_kind: int, bare: bool) -> None:
        self.assembly = assembly
        self.dice = assembly.dice
        self.road = road
        self.side = side
        self.edge = road.edge(side)
        self.street_kind = street_kind
        self.bare = bare
        """Whether it is winter and trees are bare."""

    def add(self) -> None:
        """Add all plots, one behind the other."""
        dice, road = self.dice, self.road
        z = -8.0
        while z < _FAR:
            plot_kind = dice.weighted(_SHARES[self.street_kind])
            length = dice.uniform(18, 60) if plot_kind != _YARD else dice.uniform(8, 25)
            end = min(z + length, _FAR)
            junction_begin = road.junction - road.half_junction - 2
            junction_end = road.junction + road.half_junction + 2
            if junction_begin <= z < junction_end:
                z = junction_end
                continue
            if z < junction_begin < end:
                end = junction_begin
            if end - z > 2.5:
                (self._shops, self._row, self._houses, self._park, self._yard)[plot_kind](z, end)
            z = end + (dice.uniform(0, 4) if dice.chance(0.25) else 0.0)

    def _shops(self, begin: float, end: float) -> None:
        dice = self.dice
        z = begin
        while z < end - 2:
            length = min(dice.uniform(4.5, 9) if dice.chance(0.75) else dice.uniform(10, 22), end - z)
            setback = 0.02 if dice.chance(0.85) else dice.uniform(0.2, 1.2)
            if length > 12 and dice.chance(0.6):
                add_block(self.assembly, self.road, self.side, z, z + length, setback)
            else:
                design = choose_design(dice, dice.weighted({2: 0.35, 3: 0.45, 4: 0.2}))
                shop = dice.chance(0.75 if self.street_kind == HIGH_STREET else 0.4)
                add_house(self.assembly, self.road, self.side, z, z + length, setback, design, shop)
            z += length

    def _row(self, begin: float, end: float) -> None:
        dice, road = self.dice, self.road
        design = choose_design(dice, dice.weighted({2: 0.7, 3: 0.3}))
        setback = dice.uniform(0.0, 0.3) if dice.chance(0.35) else dice.uniform(1.2, 4.0)
        width = dice.uniform(4.2, 7.0)
        count = max(1, round((end - begin) / width))
        width = (end - begin) / count
        is_painted = dice.chance(0.3)
        for i in range(count):
            house_design = design
            if is_painted and dice.chance(0.5):
                house_design = design._replace(wall=dice.shade((0.55, 0.53, 0.5), 0.4))
            house_design = house_design._replace(door=choose_design(dice, 2).door)
            z = begin + i * width
            add_house(self.assembly, road, self.side, z, z + width, setback, house_design, False)
        if setback > 1:
            self._border(begin, end, low=True)
            self._plants(begin, end, setback)

    def _houses(self, begin: float, end: float) -> None:
        dice, road = self.dice, self.road
        setback = dice.uniform(3.0, 12.0)
        z = begin
        while z < end - 4:
            length = min(dice.uniform(8, 15), end - z)
            gap = dice.uniform(0.5, 3.0)
            design = choose_design(dice, dice.weighted({1: 0.2, 2: 0.65, 3: 0.15}))
            if length > gap + 3:
                house_setback = setback + dice.uniform(-1, 1)
                add_house(self.assembly, road, self.side, z + gap, z + length, house_setback, design, False)
            z += length
        self._border(begin, end, low=dice.chance(0.7))
        self._plants(begin, end, setback)
        for _ in range(dice.integer(0, 3)):
            lateral = self.side * (self.edge + dice.uniform(1.5, max(2.0, setback - 1)))
            position = road.on_ground(dice.uniform(begin, end), lateral)
            add_tree(self.assembly, position, dice.uniform(0.6, 1.2), self.bare)

    def _park(self, begin: float, end: float) -> None:
        dice, road = self.dice, self.road
        if dice.chance(0.8):
            self._border(begin, end, low=False)
        rows = dice.integer(1, 3)
        size = dice.uniform(0.8, 2.0)
        for row in range(rows):
            z = begin + dice.uniform(0, 4)
            while z < end:
                if dice.chance(0.85):
                    lateral = self.side * (self.edge + 1.5 + (4.5 * row + dice.uniform(0, 2.5)) * min(size, 1.4))
                    bare = self.bare if dice.chance(0.9) else not self.bare
                    add_tree(self.assembly, road.on_ground(z, lateral), size * dice.uniform(0.7, 1.3), bare)
                z += dice.uniform(4, 9) * max(size, 0.8)
        self._plants(begin, end, 6.0)
        if dice.chance(0.7):
            z = begin
            while z < end - 6:
                length = min(dice.uniform(12, 30), end - z)
                add_block(self.assembly, road, self.side, z, z + length, dice.uniform(14, 40))
                z += length + dice.uniform(0, 15)

    def _yard(self, begin: float, end: float) -> None:
        dice, road = self.dice, self.road
        lateral = self.side * (self.edge + 0.2)
        if dice.chance(0.5):
            add_wall(self.assembly, road, begin, end, lateral, dice.uniform(1.4, 3.5))
        else:
            add_railing(self.assembly, road, begin, end, lateral, dice.choice(("wire", "boards", "iron")))
        if dice.chance(0.6):
            add_block(self.assembly, road, self.side, begin, end, dice.uniform(3, 25))
        self._plants(begin, end, 5.0)

    def _border(self, begin: float, end: float, low: bool) -> None:
        """Add a border between the sidewalk and a plot."""
        dice, road = self.dice, self.road
        lateral = self.side * (self.edge + 0.2)
        border = dice.weighted({"wall": 0.22, "railing": 0.26, "both": 0.2, "hedge": 0.22, "none": 0.1})
        if border in ("wall", "both"):
            height = dice.uniform(0.4, 1.1) if low or border == "both" else dice.uniform(0.8, 2.4)
            add_wall(self.assembly, road, begin, end, lateral, height)
            if border == "both":
                add_railing(self.assembly, road, begin, end, lateral, "iron", height)
        elif border == "railing":
            style = dice.weighted({"iron": 0.5, "pickets": 0.2, "boards": 0.15, "wire": 0.15})
            add_railing(self.assembly, road, begin, end, lateral, style)
        if border == "hedge" or (border in ("both", "railing") and dice.chance(0.4)):
            add_hedge(self.assembly, road, begin, end, lateral + self.side * 0.6)

    def _plants(self, begin: float, end: float, depth: float) -> None:
        dice, road = self.dice, self.road
        for _ in range(int((end - begin) * dice.uniform(0.0, 0.35))):
            z = dice.uniform(begin, min(end, 60))
            lateral = self.side * (self.edge + dice.uniform(0.8, max(1.0, depth - 0.5)))
            add_shrub(self.assembly, road.on_ground(z, lateral), dice.uniform(0.5, 1.6), self.bare and dice.chance(0.5))
