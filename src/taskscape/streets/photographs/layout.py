"""The layout of a street in the style ``photographs``."""

import math

from taskscape.streets.assembly import Assembly, Point
from taskscape.streets.classes import SIDEWALK, TERRAIN
from taskscape.streets.colors import Color
from taskscape.streets.cycles import add_bicycle, add_motorcycle
from taskscape.streets.dice import Dice
from taskscape.streets.furniture import add_gantry_sign, add_lamp, add_lamps, add_sign, add_traffic_light, pole_color
from taskscape.streets.materials import CONCRETE, CROSSROADS, GRASS, PAVING, TARMAC
from taskscape.streets.people import add_person
from taskscape.streets.photographs.camera import build_view
from taskscape.streets.photographs.cars import add_vehicle
from taskscape.streets.photographs.furniture import add_beacon, add_board, add_keep_side, add_post
from taskscape.streets.photographs.light import build_exposure, build_light
from taskscape.streets.photographs.plots import Plots
from taskscape.streets.photographs.railings import add_railing
from taskscape.streets.photographs.road import HIGH_STREET, LEAFY, TERRACES, WIDE, build_road
from taskscape.streets.photographs.trees import add_tree
from taskscape.streets.road import Lane
from taskscape.streets.shapes import BOX
from taskscape.streets.street import GroundColors, Street
from taskscape.streets.traffic import Traffic
from taskscape.streets.vehicles import add_bus, add_truck

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
        self.lamps: list[Point] = []
        self.poles = pole_color(dice)
        self.bare = dice.chance(0.68)
        """Whether it is winter and trees are bare."""
        self.busy = dice.random()

    # --- on the sidewalk -------------------------------------------------------------------------------------------

    def lamps_and_trees(self, side: int) -> None:
        """Add lamps at the curb and sometimes a row of trees."""
        dice, road = self.dice, self.road
        spacing, old, begin = dice.uniform(22, 38), dice.chance(0.2), dice.uniform(4, 24)
        self.lamps += add_lamps(self.assembly, road, side, begin, 120, spacing, 0.4, self.poles, old)
        if dice.chance(0.4 if self.street_kind in (LEAFY, WIDE) else 0.1):
            spacing, size = dice.uniform(7, 14), dice.uniform(0.6, 1.5)
            z = dice.uniform(5, 16)
            while z < 110:
                if not road.in_junction(z, 4) and dice.chance(0.8):
                    position = road.on_sidewalk(z, side, dice.uniform(0.5, 0.9))
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
                add_gantry_sign(self.assembly, road.on_sidewalk(z, side, 1.0), yaw, self.poles)
            elif draw < 0.12:
                add_board(self.assembly, road.on_sidewalk(z, side, dice.uniform(0.5, 1.1)), yaw)
            else:
                sign_yaw = yaw + (math.pi if dice.chance(0.3) else 0)
                add_sign(self.assembly, road.on_sidewalk(z, side, dice.uniform(0.25, 0.6)), sign_yaw, self.poles)
        if dice.chance(0.25):
            begin, pace = dice.uniform(4, 30), dice.uniform(1.3, 2.5)
            color = dice.shade((0.04, 0.04, 0.045), 0.5) if dice.chance(0.7) else self.poles
            for i in range(dice.integer(3, 12)):
                if not road.in_junction(begin + pace * i, 0.5):
                    add_post(self.assembly, road.on_sidewalk(begin + pace * i, side, 0.3), color)
        if dice.chance(0.22):
            begin = dice.uniform(2, 30)
            end = begin + dice.uniform(6, 20)
            if end < road.junction - road.half_junction or begin > road.junction + road.half_junction:
                lateral = side * (road.half_road + 0.25)
                add_railing(self.assembly, road, begin, end, lateral, "barrier")
        for z in road.zebras:
            add_beacon(self.assembly, road.on_sidewalk(z + 1.8, side, 0.4))

    def walkers(self, side: int) -> None:
        """Add people on the sidewalk, alone and in groups."""
        dice, road = self.dice, self.road
        width = road.sidewalks[side > 0]
        if width < 1:
            return
        for _ in range(dice.integer(0, 3) + int(4 * self.busy * (self.street_kind == HIGH_STREET))):
            z = 4.5 + 40 * dice.random() ** 1.5
            from_curb = dice.uniform(0.4, max(0.5, width - 0.35))
            walking = dice.chance(0.8)
            yaw = (0 if dice.chance(0.5) else math.pi) + 0.3 * dice.normal() if walking else dice.uniform(0, 6.28)
            for k in range(dice.integer(1, 4) if dice.chance(0.45) else 1):
                person_from_curb = min(max(from_curb + 0.6 * k, 0.3), width + 0.1)
                position = road.on_sidewalk(z + 0.5 * k * dice.normal(), side, person_from_curb)
                add_person(self.assembly, position, yaw + 0.15 * dice.normal(), walking)

    def parked_cycles(self, side: int) -> None:
        """Add parked bicycles on the sidewalk, along a wall or railing."""
        dice, road = self.dice, self.road
        if not dice.chance(0.25) or road.sidewalks[side > 0] < 1.3:
            return
        z, angle = dice.uniform(5, 25), dice.choice((0.0, 1.2, 1.57))
        for _ in range(dice.integer(1, 7)):
            z += 0.6 if angle else 1.9
            if not road.in_junction(z, 1):
                from_curb = road.sidewalks[side > 0] - (0.3 if not angle else 0.9)
                yaw = road.yaw(z) + side * angle + 0.12 * dice.normal()
                add_bicycle(self.assembly, road.on_sidewalk(z, side, from_curb), yaw, 0.0, False)

    # --- on the road -----------------------------------------------------------------------------------------------

    def parked_cars(self, side: int) -> None:
        """Add parked cars, nearly bumper to bumper, some of them half on the sidewalk."""
        dice, road = self.dice, self.road
        parking = road.parking[side > 0]
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
                yaw, pitch = road.heading(z, direction if dice.chance(0.75) else -direction)
                position = road.point(z, lateral, 0.05 * (onto_sidewalk > 0))
                length = add_vehicle(self.assembly, position, yaw + 0.02 * dice.normal(), pitch)
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
                    yaw, pitch = road.heading(z, lane.direction)
                    yaw += 0.03 * dice.normal()
                    position = road.point(z, lane.lateral + 0.2 * dice.normal())
                    if vehicle == "car":
                        add_vehicle(self.assembly, position, yaw, pitch)
                    elif vehicle == "truck":
                        add_truck(self.assembly, position, yaw, pitch)
                    elif vehicle == "bus":
                        add_bus(self.assembly, position, yaw, pitch)
                    else:
                        self._cyclists(lane, z)
                z += dice.uniform(7, 34) * (1.3 - 0.6 * self.busy)

    def _cyclists(self, lane: Lane, z: float) -> None:
        """Add one or two riders near the curb of a lane, mostly cyclists."""
        dice, road = self.dice, self.road
        offset = (1 if lane.lateral > 0 else -1) * dice.uniform(0.0, 0.35) * lane.width
        for _ in range(1 if dice.chance(0.65) else 2):
            yaw, pitch = road.heading(z, lane.direction)
            position = road.point(z, lane.lateral + offset + 0.2 * dice.normal())
            if dice.chance(0.85):
                add_bicycle(self.assembly, position, yaw + 0.05 * dice.normal(), pitch, True)
            else:
                add_motorcycle(self.assembly, position, yaw, pitch, True)
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
        width = road.sidewalks[side > 0] - 1.1
        if self.street_kind not in (LEAFY, WIDE) or width < 0.4 or not dice.chance(0.5):
            return
        color = dice.shade(dice.choice(_GRASS), 0.3)
        half = min(width, dice.uniform(0.8, 2.5)) / 2
        z = -6.0
        while z < 90:
            if not road.in_junction(z + 2, 6) and dice.chance(0.95):
                position = road.on_sidewalk(z + 2, side, 0.16 + half)
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
                    position = road.on_sidewalk(z, side, dice.uniform(0.3, 0.6))
                    add_traffic_light(self.assembly, position, road.yaw(z), side, 0.0, self.poles, state)
        if dice.chance(0.2):
            for _ in range(dice.integer(1, 3)):
                z = dice.uniform(7, 26)
                yaw = road.yaw(z) + (math.pi / 2 if dice.chance(0.5) else -math.pi / 2)
                lateral = dice.uniform(-1, 1) * road.half_road
                add_person(self.assembly, road.point(z, lateral), yaw + 0.2 * dice.normal())
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
        Plots(builder.assembly, road, side, builder.street_kind, builder.bare).add()
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
        lamps=builder.lamps[:14],
        exposure=exposure,
        seed=int(dice.random() * 2**31),
    )
