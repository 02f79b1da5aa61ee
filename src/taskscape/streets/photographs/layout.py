"""The layout of a street in the style ``photographs``."""

import math

from taskscape.streets.assembly import Assembly
from taskscape.streets.classes import SIDEWALK, TERRAIN
from taskscape.streets.cycles import add_bicycle, add_motorcycle
from taskscape.streets.dice import Color, Dice
from taskscape.streets.furniture import add_gantry_sign, add_lamp, add_sign, add_traffic_light, pole_color
from taskscape.streets.layout import GroundColors, Street, Traffic
from taskscape.streets.materials import CONCRETE, CROSSROADS, GRASS, PAVING, TARMAC
from taskscape.streets.people import add_person
from taskscape.streets.photographs.camera import build_view
from taskscape.streets.photographs.cars import add_parked, add_vehicle
from taskscape.streets.photographs.furniture import add_beacon, add_board, add_keep_side, add_post
from taskscape.streets.photographs.houses import add_block, add_house, choose_design
from taskscape.streets.photographs.light import build_exposure, build_light
from taskscape.streets.photographs.railings import add_railing, add_wall
from taskscape.streets.photographs.road import HIGH_STREET, LEAFY, TERRACES, WIDE, build_road
from taskscape.streets.photographs.trees import add_hedge, add_shrub, add_tree
from taskscape.streets.road import Lane
from taskscape.streets.shapes import BOX
from taskscape.streets.vehicles import add_bus, add_truck

_FAR = 140.0
"""Distance at which plots end, metres."""

_SHOPS, _ROW, _HOUSES, _PARK, _YARD = range(5)
"""Kinds of plots beside the road: shops, a row of houses, single houses, trees, a wall or fence."""
_PLOT_SHARES = {
    HIGH_STREET: {_SHOPS: 0.7, _ROW: 0.18, _PARK: 0.12},
    TERRACES: {_ROW: 0.7, _HOUSES: 0.15, _SHOPS: 0.05, _PARK: 0.05, _YARD: 0.05},
    LEAFY: {_PARK: 0.5, _HOUSES: 0.2, _ROW: 0.15, _YARD: 0.05, _SHOPS: 0.1},
    WIDE: {_PARK: 0.42, _HOUSES: 0.22, _YARD: 0.16, _ROW: 0.1, _SHOPS: 0.1},
}

_GRASS: tuple[Color, ...] = ((0.1, 0.14, 0.05), (0.15, 0.17, 0.07), (0.13, 0.11, 0.08))
_OPEN = {HIGH_STREET: 0.6, TERRACES: 0.75, LEAFY: 0.8, WIDE: 1.0}
"""Share of the sky that is not hidden by houses and trees."""


class _Builder:
    """Builds a street; each method adds one kind of object."""

    def __init__(self, dice: Dice) -> None:
        self.dice = dice
        self.street_kind = dice.weighted({HIGH_STREET: 0.42, TERRACES: 0.22, LEAFY: 0.23, WIDE: 0.13})
        self.road = build_road(dice, self.street_kind)
        self.assembly = Assembly(dice, clothes=dice.uniform(0.25, 0.9))
        self.traffic = Traffic()
        self.lamps: list[tuple[float, float, float]] = []
        self.poles = pole_color(dice)
        self.bare = dice.chance(0.68)
        """Whether it is winter and trees are bare."""
        self.busy = dice.random()

    def on_sidewalk(self, z: float, side: int, from_curb: float) -> tuple[float, float, float]:
        """Return the point ``from_curb`` metres from the curb on the sidewalk of side -1 or 1."""
        return self.road.point(z, side * (self.road.half_road + from_curb), self.road.curb)

    def on_ground(self, z: float, lateral: float) -> tuple[float, float, float]:
        """Return a point on the ground beside the road."""
        return self.road.point(z, lateral, self.road.ground_up(lateral))

    def heading(self, direction: int, z: float) -> tuple[float, float]:
        """Return yaw and pitch of traffic in this direction at z."""
        yaw, pitch = self.road.yaw(z), self.road.pitch(z)
        return (yaw, pitch) if direction > 0 else (yaw + math.pi, -pitch)

    # --- beside the road -------------------------------------------------------------------------------------------

    def plots(self, side: int) -> None:
        """Add plots behind the sidewalk on one side."""
        dice, road = self.dice, self.road
        z = -8.0
        while z < _FAR:
            plot_kind = dice.weighted(_PLOT_SHARES[self.street_kind])
            length = dice.uniform(18, 60) if plot_kind != _YARD else dice.uniform(8, 25)
            end = min(z + length, _FAR)
            junction_begin, junction_end = (
                road.junction - road.half_junction - 2,
                road.junction + road.half_junction + 2,
            )
            if junction_begin <= z < junction_end:
                z = junction_end
                continue
            if z < junction_begin < end:
                end = junction_begin
            if end - z > 2.5:
                (self._shops, self._row, self._houses, self._park, self._yard)[plot_kind](side, z, end)
            z = end + (dice.uniform(0, 4) if dice.chance(0.25) else 0.0)

    def _shops(self, side: int, begin: float, end: float) -> None:
        dice = self.dice
        z = begin
        while z < end - 2:
            length = min(dice.uniform(4.5, 9) if dice.chance(0.75) else dice.uniform(10, 22), end - z)
            setback = 0.02 if dice.chance(0.85) else dice.uniform(0.2, 1.2)
            if length > 12 and dice.chance(0.6):
                add_block(self.assembly, self.road, side, z, z + length, setback)
            else:
                design = choose_design(dice, dice.weighted({2: 0.35, 3: 0.45, 4: 0.2}))
                shop = dice.chance(0.75 if self.street_kind == HIGH_STREET else 0.4)
                add_house(self.assembly, self.road, side, z, z + length, setback, design, shop)
            z += length

    def _row(self, side: int, begin: float, end: float) -> None:
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
            add_house(self.assembly, road, side, z, z + width, setback, house_design, False)
        if setback > 1:
            self._border(side, begin, end, low=True)
            self._plants(side, begin, end, setback)

    def _houses(self, side: int, begin: float, end: float) -> None:
        dice, road = self.dice, self.road
        setback = dice.uniform(3.0, 12.0)
        z = begin
        while z < end - 4:
            length = min(dice.uniform(8, 15), end - z)
            gap = dice.uniform(0.5, 3.0)
            design = choose_design(dice, dice.weighted({1: 0.2, 2: 0.65, 3: 0.15}))
            if length > gap + 3:
                add_house(self.assembly, road, side, z + gap, z + length, setback + dice.uniform(-1, 1), design, False)
            z += length
        self._border(side, begin, end, low=dice.chance(0.7))
        self._plants(side, begin, end, setback)
        for _ in range(dice.integer(0, 3)):
            lateral = side * (road.edge(int(side > 0)) + dice.uniform(1.5, max(2.0, setback - 1)))
            add_tree(
                self.assembly, self.on_ground(dice.uniform(begin, end), lateral), dice.uniform(0.6, 1.2), self.bare
            )

    def _park(self, side: int, begin: float, end: float) -> None:
        dice, road = self.dice, self.road
        edge = road.edge(int(side > 0))
        if dice.chance(0.8):
            self._border(side, begin, end, low=False)
        rows = dice.integer(1, 3)
        size = dice.uniform(0.8, 2.0)
        for row in range(rows):
            z = begin + dice.uniform(0, 4)
            while z < end:
                if dice.chance(0.85):
                    lateral = side * (edge + 1.5 + (4.5 * row + dice.uniform(0, 2.5)) * min(size, 1.4))
                    bare = self.bare if dice.chance(0.9) else not self.bare
                    add_tree(self.assembly, self.on_ground(z, lateral), size * dice.uniform(0.7, 1.3), bare)
                z += dice.uniform(4, 9) * max(size, 0.8)
        self._plants(side, begin, end, 6.0)
        if dice.chance(0.7):
            z = begin
            while z < end - 6:
                length = min(dice.uniform(12, 30), end - z)
                add_block(self.assembly, road, side, z, z + length, dice.uniform(14, 40))
                z += length + dice.uniform(0, 15)

    def _yard(self, side: int, begin: float, end: float) -> None:
        dice, road = self.dice, self.road
        lateral = side * (road.edge(int(side > 0)) + 0.2)
        if dice.chance(0.5):
            add_wall(self.assembly, road, begin, end, lateral, dice.uniform(1.4, 3.5))
        else:
            add_railing(self.assembly, road, begin, end, lateral, dice.choice(("wire", "boards", "iron")))
        if dice.chance(0.6):
            add_block(self.assembly, road, side, begin, end, dice.uniform(3, 25))
        self._plants(side, begin, end, 5.0)

    def _border(self, side: int, begin: float, end: float, low: bool) -> None:
        """Add a border between the sidewalk and a plot."""
        dice, road = self.dice, self.road
        lateral = side * (road.edge(int(side > 0)) + 0.2)
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
            add_hedge(self.assembly, road, begin, end, lateral + side * 0.6)

    def _plants(self, side: int, begin: float, end: float, depth: float) -> None:
        dice, road = self.dice, self.road
        edge = road.edge(int(side > 0))
        for _ in range(int((end - begin) * dice.uniform(0.0, 0.35))):
            z, lateral = dice.uniform(begin, min(end, 60)), side * (edge + dice.uniform(0.8, max(1.0, depth - 0.5)))
            add_shrub(self.assembly, self.on_ground(z, lateral), dice.uniform(0.5, 1.6), self.bare and dice.chance(0.5))

    # --- on the sidewalk -------------------------------------------------------------------------------------------

    def lamps_and_trees(self, side: int) -> None:
        """Add lamps at the curb and sometimes a row of trees."""
        dice, road = self.dice, self.road
        spacing, old = dice.uniform(22, 38), dice.chance(0.2)
        z = dice.uniform(4, 24)
        while z < 120:
            if not road.in_junction(z, 1.5):
                height = add_lamp(self.assembly, self.on_sidewalk(z, side, 0.4), road.yaw(z), side, self.poles, old)
                if len(self.lamps) < 14:
                    self.lamps.append(road.point(z, side * (road.half_road - (0 if old else 0.8)), height - 0.2))
            z += spacing
        if dice.chance(0.4 if self.street_kind in (LEAFY, WIDE) else 0.1):
            spacing, size = dice.uniform(7, 14), dice.uniform(0.6, 1.5)
            z = dice.uniform(5, 16)
            while z < 110:
                if not road.in_junction(z, 4) and dice.chance(0.8):
                    position = self.on_sidewalk(z, side, dice.uniform(0.5, 0.9))
                    add_tree(self.assembly, position, size * dice.uniform(0.8, 1.2), self.bare)
                z += spacing

    def signs(self, side: int) -> None:
        """Add signs, posts, barriers and boards on the sidewalk."""
        dice, road = self.dice, self.road
        for _ in range(dice.integer(0, 4)):
            z = 6 + 50 * dice.random() ** 1.3
            if road.in_junction(z, 1):
                continue
            yaw = road.yaw(z) + 0.15 * dice.normal()
            draw = dice.random()
            if draw < 0.04:
                add_gantry_sign(self.assembly, self.on_sidewalk(z, side, 1.0), yaw, self.poles)
            elif draw < 0.12:
                add_board(self.assembly, self.on_sidewalk(z, side, dice.uniform(0.5, 1.1)), yaw)
            else:
                sign_yaw = yaw + (math.pi if dice.chance(0.3) else 0)
                add_sign(self.assembly, self.on_sidewalk(z, side, dice.uniform(0.25, 0.6)), sign_yaw, self.poles)
        if dice.chance(0.25):
            begin, pace = dice.uniform(4, 30), dice.uniform(1.3, 2.5)
            color = dice.shade((0.04, 0.04, 0.045), 0.5) if dice.chance(0.7) else self.poles
            for i in range(dice.integer(3, 12)):
                if not road.in_junction(begin + pace * i, 0.5):
                    add_post(self.assembly, self.on_sidewalk(begin + pace * i, side, 0.3), color)
        if dice.chance(0.22):
            begin = dice.uniform(2, 30)
            end = begin + dice.uniform(6, 20)
            if end < road.junction - road.half_junction or begin > road.junction + road.half_junction:
                lateral = side * (road.half_road + 0.25)
                add_railing(self.assembly, road, begin, end, lateral, "barrier")
        for z in road.zebras:
            add_beacon(self.assembly, self.on_sidewalk(z + 1.8, side, 0.4))

    def walkers(self, side: int) -> None:
        """Add people on the sidewalk, alone and in groups."""
        dice, road = self.dice, self.road
        width = road.sidewalks[int(side > 0)]
        if width < 1:
            return
        for _ in range(dice.integer(0, 3) + int(4 * self.busy * (self.street_kind == HIGH_STREET))):
            z = 4.5 + 40 * dice.random() ** 1.5
            from_curb = dice.uniform(0.4, max(0.5, width - 0.35))
            walking = dice.chance(0.8)
            yaw = (0 if dice.chance(0.5) else math.pi) + 0.3 * dice.normal() if walking else dice.uniform(0, 6.28)
            for k in range(dice.integer(1, 4) if dice.chance(0.45) else 1):
                person_from_curb = min(max(from_curb + 0.6 * k, 0.3), width + 0.1)
                position = self.on_sidewalk(z + 0.5 * k * dice.normal(), side, person_from_curb)
                add_person(self.assembly, position, yaw + 0.15 * dice.normal(), False, walking)

    def parked_cycles(self, side: int) -> None:
        """Add parked bicycles on the sidewalk, along a wall or railing."""
        dice, road = self.dice, self.road
        if not dice.chance(0.25) or road.sidewalks[int(side > 0)] < 1.3:
            return
        z, angle = dice.uniform(5, 25), dice.choice((0.0, 1.2, 1.57))
        for _ in range(dice.integer(1, 7)):
            z += 0.6 if angle else 1.9
            if not road.in_junction(z, 1):
                from_curb = road.sidewalks[int(side > 0)] - (0.3 if not angle else 0.9)
                yaw = road.yaw(z) + side * angle + 0.12 * dice.normal()
                add_bicycle(self.assembly, self.on_sidewalk(z, side, from_curb), yaw, 0.0, False, False)

    # --- on the road -----------------------------------------------------------------------------------------------

    def parked_cars(self, side: int) -> None:
        """Add parked cars, nearly bumper to bumper, some of them half on the sidewalk."""
        dice, road = self.dice, self.road
        parking = road.parking[int(side > 0)]
        if not parking:
            return
        direction = self.direction_at_curb(side)
        onto_sidewalk = dice.uniform(0.0, 0.5) if dice.chance(0.2) else 0.0
        lateral = side * (road.half_road - parking / 2 + 0.05 + onto_sidewalk)
        occupancy = dice.uniform(0.45, 0.97)
        z = dice.uniform(0.5, 8)
        while z < 100:
            is_free = not any(abs(z - zebra) < 5 for zebra in road.zebras)
            if is_free and not road.in_junction(z, 6) and dice.chance(occupancy):
                yaw, pitch = self.heading(direction if dice.chance(0.75) else -direction, z)
                length = add_parked(self.assembly, road.point(z, lateral, 0.05 * (onto_sidewalk > 0)), yaw, pitch)
                z += length + dice.uniform(0.4, 1.3)
            else:
                z += dice.uniform(3, 6)

    def direction_at_curb(self, side: int) -> int:
        """Return the direction of traffic at the curb of this side."""
        lane = min(self.road.lanes, key=lambda lane: abs(lane.lateral - side * self.road.half_road))
        return lane.direction

    def flowing_traffic(self) -> None:
        """Add moving traffic in the lanes."""
        dice, road = self.dice, self.road
        for lane in road.lanes:
            z = dice.uniform(7, 30)
            while z < 120:
                vehicle = dice.weighted({"car": 0.5 + 0.3 * self.busy, "truck": 0.04, "bus": 0.06, "cycle": 0.16,
                                      "none": 0.7 - 0.5 * self.busy})  # fmt: skip
                half = 6.3 if vehicle in ("truck", "bus") else 2.6
                if vehicle != "none" and self.traffic.take(lane.lateral, z - half - 1, z + half + 1):
                    yaw, pitch = self.heading(lane.direction, z)
                    yaw += 0.03 * dice.normal()
                    position = road.point(z, lane.lateral + 0.2 * dice.normal())
                    if vehicle == "car":
                        add_vehicle(self.assembly, position, yaw, pitch)
                    elif vehicle == "truck":
                        add_truck(self.assembly, position, yaw, pitch, False)
                    elif vehicle == "bus":
                        add_bus(self.assembly, position, yaw, pitch, False)
                    else:
                        self._cyclists(lane, z)
                z += dice.uniform(7, 34) * (1.3 - 0.6 * self.busy)

    def _cyclists(self, lane: Lane, z: float) -> None:
        """Add one or two riders near the curb of a lane, mostly cyclists."""
        dice, road = self.dice, self.road
        offset = (1 if lane.lateral > 0 else -1) * dice.uniform(0.0, 0.35) * lane.width
        for _ in range(1 if dice.chance(0.65) else 2):
            yaw, pitch = self.heading(lane.direction, z)
            position = road.point(z, lane.lateral + offset + 0.2 * dice.normal())
            if dice.chance(0.85):
                add_bicycle(self.assembly, position, yaw + 0.05 * dice.normal(), pitch, True, False)
            else:
                add_motorcycle(self.assembly, position, yaw, pitch, True, False)
            z += dice.uniform(1.5, 4)

    def near_cyclists(self, lane: Lane) -> None:
        """Sometimes add cyclists ahead of the camera, if there is room."""
        dice = self.dice
        if dice.chance(0.3):
            z = dice.uniform(5, 14)
            if self.traffic.take(lane.lateral, z - 1.5, z + 4.5):
                self._cyclists(lane, z)

    def islands(self) -> None:
        """Add traffic islands between the directions, with a bollard at both ends."""
        dice, road = self.dice, self.road
        middle_lines = [m.lateral for m in road.markings if abs(m.lateral) < 0.6]
        if len(road.lanes) < 2 or not middle_lines or not dice.chance(0.22):
            return
        z = dice.uniform(9, 50)
        half = (dice.uniform(0.4, 0.65), 0.07, dice.uniform(1.2, 3.5))
        if road.in_junction(z, half[2] + 1) or not self.traffic.take(middle_lines[0], z - 4, z + 4):
            return
        position = road.point(z, middle_lines[0])
        gray = dice.uniform(0.15, 0.35)
        self.assembly.begin(SIDEWALK, position, road.yaw(z), road.pitch(z))
        self.assembly.add(BOX, (0, half[1], 0), half, (gray, gray, gray * 0.96), CONCRETE)
        for end in (-0.8, 0.8):
            end_z = z + end * half[2]
            add_keep_side(self.assembly, road.point(end_z, middle_lines[0], 2 * half[1]), road.yaw(end_z))
        if dice.chance(0.3):
            add_lamp(self.assembly, road.point(z, middle_lines[0], 0.1), road.yaw(z), 1, self.poles, False)

    def verge(self, side: int) -> None:
        """Add grass between the curb and the sidewalk."""
        dice, road = self.dice, self.road
        width = road.sidewalks[int(side > 0)] - 1.1
        if self.street_kind not in (LEAFY, WIDE) or width < 0.4 or not dice.chance(0.5):
            return
        color = dice.shade(dice.choice(_GRASS), 0.3)
        half = min(width, dice.uniform(0.8, 2.5)) / 2
        z = -6.0
        while z < 90:
            if not road.in_junction(z + 2, 6) and dice.chance(0.95):
                position = self.on_sidewalk(z + 2, side, 0.16 + half)
                self.assembly.begin(TERRAIN, position, road.yaw(z + 2), road.pitch(z + 2))
                self.assembly.add(BOX, (0, 0.0, 0), (half, 0.04, 2.02), color, GRASS)
            z += 4

    def crossings(self) -> None:
        """Add traffic lights at the junction, people on the road and cars in the crossing street."""
        dice, road = self.dice, self.road
        near_z = road.junction - road.half_junction - 0.8
        if (road.junction < 70 and dice.chance(0.65)) or (dice.chance(0.15) and near_z > 100):
            if near_z > 100:  # lights for pedestrians
                near_z = dice.uniform(8, 40)
            state = dice.weighted({0: 0.4, 1: 0.1, 2: 0.5})
            for side in (-1, 1):
                for z in (near_z, near_z + 2.5 + 2 * road.half_junction) if road.junction < 60 else (near_z,):
                    position = self.on_sidewalk(z, side, dice.uniform(0.3, 0.6))
                    add_traffic_light(self.assembly, position, road.yaw(z), side, 0.0, self.poles, state)
        if dice.chance(0.2):
            for _ in range(dice.integer(1, 3)):
                z = dice.uniform(7, 26)
                yaw = road.yaw(z) + (math.pi / 2 if dice.chance(0.5) else -math.pi / 2)
                lateral = dice.uniform(-1, 1) * road.half_road
                add_person(self.assembly, road.point(z, lateral), yaw + 0.2 * dice.normal(), False)
        if road.junction < 80:
            for _ in range(dice.integer(0, 3)):
                side = 1 if dice.chance(0.5) else -1
                lateral = side * dice.uniform(road.half_road + 3, 30)
                z = road.junction - side * road.half_junction * 0.45
                car_yaw = math.pi / 2 * (1 if dice.chance(0.5) else -1)
                add_vehicle(self.assembly, road.point(z, lateral), car_yaw, 0.0)


def build_photograph(dice: Dice) -> Street:
    """Return the street drawn with ``dice``."""
    builder = _Builder(dice)
    road = builder.road
    weather = build_light(dice, _OPEN[builder.street_kind] * dice.uniform(0.75, 1.1))
    lane = dice.choice([lane for lane in road.lanes if lane.direction == 1])
    view = build_view(dice, road, lane)
    builder.traffic.take(lane.lateral, -20, 4.5)
    builder.near_cyclists(lane)
    builder.flowing_traffic()
    builder.islands()
    builder.crossings()
    for side in (-1, 1):
        builder.verge(side)
        builder.parked_cars(side)
        builder.walkers(side)
        builder.parked_cycles(side)
        builder.signs(side)
        builder.lamps_and_trees(side)
        builder.plots(side)
    exposure = build_exposure(dice, weather)
    gray = dice.uniform(0.05, 0.17)
    asphalt: Color = (gray, gray * dice.uniform(0.97, 1.02), gray * dice.uniform(0.93, 1.06))
    brightness = dice.uniform(0.65, 1.45)
    warmth = dice.uniform(0.9, 1.0)
    sidewalk = (
        asphalt[0] * brightness,
        asphalt[1] * brightness * (0.5 + 0.5 * warmth),
        asphalt[2] * brightness * warmth,
    )
    if dice.chance(0.18):
        sidewalk = dice.shade(dice.choice(((0.3, 0.2, 0.16), (0.35, 0.33, 0.3))), 0.25)
    return Street(
        road=road,
        assembly=builder.assembly,
        weather=weather,
        view=view,
        colors=GroundColors(
            road=asphalt,
            sidewalk=sidewalk,
            grass=dice.shade(dice.choice(_GRASS), 0.4),
            materials=(TARMAC, CROSSROADS, PAVING, GRASS),
        ),
        lamps=builder.lamps,
        exposure=exposure.target,
        balance=exposure.balance,
        noise=exposure.noise,
        tone=exposure.tone,
        seed=int(dice.random() * 2**31),
    )
