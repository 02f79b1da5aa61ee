"""The layout of a street: which objects it has, and where."""

import math

from taskscape.streets.assembly import Assembly, Point
from taskscape.streets.barriers import add_fence
from taskscape.streets.camera import build_view
from taskscape.streets.cycles import add_bicycle, add_motorcycle
from taskscape.streets.dice import Dice
from taskscape.streets.furniture import (
    add_bollard,
    add_gantry_sign,
    add_lamps,
    add_sign,
    add_traffic_light,
    pole_color,
)
from taskscape.streets.people import add_person
from taskscape.streets.plots import add_plots
from taskscape.streets.road import build_road
from taskscape.streets.street import Exposure, GroundColors, Street
from taskscape.streets.traffic import Traffic
from taskscape.streets.trains import add_tram
from taskscape.streets.vegetation import add_bush, add_tree
from taskscape.streets.vehicles import add_bus, add_car, add_truck
from taskscape.streets.weather import build_weather


class _Builder:
    """Builds a street; each method adds one kind of object."""

    def __init__(self, dice: Dice, shifted: bool) -> None:
        self.dice = dice
        self.urban = dice.random()
        self.road = build_road(dice, self.urban, rails=dice.chance(0.24))
        self.assembly = Assembly(dice, shifted)
        self.traffic = Traffic()
        self.lamps: list[Point] = []
        self.poles = pole_color(dice)
        self.features = self._choose_features()

    def _choose_features(self) -> set[str]:
        """Choose the features that this street has nearby, as rare objects would otherwise be too rare."""
        dice = self.dice
        shares = {
            "rider": 0.45, "motorcyclist": 0.36, "bicycles": 0.42, "motorcycles": 0.24, "truck": 0.3, "bus": 0.27,
            "signs": 0.6, "crossing people": 0.35,
        }  # fmt: skip
        return {name for name, share in shares.items() if dice.chance(share)}

    # --- on the sidewalk -------------------------------------------------------------------------------------------

    def lamps_and_trees(self, side: int) -> None:
        """Add lamps and a row of trees at the curb."""
        dice, road = self.dice, self.road
        spacing, old, begin = dice.uniform(20, 32), dice.chance(0.25), dice.uniform(5, 18)
        self.lamps += add_lamps(self.assembly, road, side, begin, 140, spacing, 0.45, self.poles, old)
        if dice.chance(0.5):
            spacing = dice.uniform(7, 13)
            z = dice.uniform(6, 16)
            while z < 130:
                if not road.in_junction(z, 4) and dice.chance(0.8):
                    add_tree(self.assembly, road.on_sidewalk(z, side, 0.9), dice.uniform(0.75, 1.05))
                z += spacing

    def signs(self, side: int) -> None:
        """Add signs along the curb."""
        dice, road = self.dice, self.road
        for i in range(dice.integer(1, 4) + ("signs" in self.features)):
            z = dice.uniform(6, 15) if i == 0 and "signs" in self.features else dice.uniform(8, 60)
            if road.in_junction(z, 1):
                continue
            yaw = road.yaw(z) + 0.12 * dice.normal()
            if dice.chance(0.15):
                add_gantry_sign(self.assembly, road.on_sidewalk(z, side, 1.2), yaw, self.poles)
            else:
                sign_yaw = yaw + (math.pi if side < 0 and dice.chance(0.45) else 0)
                add_sign(self.assembly, road.on_sidewalk(z, side, dice.uniform(0.3, 0.6)), sign_yaw, self.poles)
        if dice.chance(0.18):
            begin = dice.uniform(6, 25)
            for i in range(dice.integer(4, 9)):
                if not road.in_junction(begin + 1.6 * i, 0):
                    add_bollard(self.assembly, road.on_sidewalk(begin + 1.6 * i, side, 0.3), self.poles)
        elif dice.chance(0.16):
            begin = dice.uniform(5, 30)
            if not road.in_junction(begin + 6, 9):
                add_fence(self.assembly, road, begin, begin + 12, side * (road.half_road + 0.25))

    def walkers(self, side: int) -> None:
        """Add people on the sidewalk, alone and in groups."""
        dice, road = self.dice, self.road
        width = road.sidewalks[side > 0]
        for _ in range(dice.integer(1, 4)):
            z = 5.5 + 38 * dice.random() ** 1.6
            from_curb = dice.uniform(0.5, max(0.8, width - 0.4))
            walking = dice.chance(0.8)
            yaw = (0 if dice.chance(0.5) else math.pi) + 0.3 * dice.normal() if walking else dice.uniform(0, 6.28)
            for k in range(dice.integer(1, 3) if dice.chance(0.4) else 1):
                position = road.on_sidewalk(z + 0.35 * k * dice.normal(), side, from_curb + 0.65 * k)
                add_person(self.assembly, position, yaw + 0.15 * dice.normal(), walking)

    def parked_cycles(self, side: int) -> None:
        """Add parked bicycles and motorcycles on the sidewalk."""
        dice, road = self.dice, self.road
        for name in ("bicycles", "motorcycles"):
            if name in self.features and dice.chance(0.65):
                z = dice.uniform(5.5, 14)
                angle = dice.choice((0.0, 1.3, 1.57, 0.8))
                for i in range(dice.integer(1, 4)):
                    at_z = z + i * (0.9 if angle else 2.1)
                    if road.in_junction(at_z, 1):
                        continue
                    position = road.on_sidewalk(at_z, side, dice.uniform(0.9, 1.1))
                    yaw = road.yaw(at_z) + side * angle + 0.1 * dice.normal()
                    if name == "bicycles":
                        add_bicycle(self.assembly, position, yaw, 0.0, False)
                    else:
                        add_motorcycle(self.assembly, position, yaw, 0.0, False)

    # --- on the road -----------------------------------------------------------------------------------------------

    def parked_cars(self, side: int) -> None:
        """Add parked cars in the parking lane."""
        dice, road = self.dice, self.road
        if not road.parking[side > 0]:
            return
        lateral = side * (road.half_road - 1.05)
        z = dice.uniform(4, 12)
        while z < 110:
            if (
                not road.in_junction(z, 4)
                and dice.chance(0.62)
                and not any(abs(z - zebra) < 5 for zebra in road.zebras)
            ):
                yaw, pitch = road.heading(z, 1 if dice.chance(0.2) else side)
                yaw += 0.025 * dice.normal()
                if dice.chance(0.06):
                    add_truck(self.assembly, road.point(z, lateral - side * 0.1), yaw, pitch)
                    z += 4
                else:
                    add_car(self.assembly, road.point(z, lateral), yaw, pitch)
            z += dice.uniform(5.4, 7.0)

    def trams(self) -> None:
        """Add trams on the rails."""
        dice, road = self.dice, self.road
        for lane in road.lanes:
            if not lane.rails:
                continue
            if not dice.chance(0.85 if lane.direction < 0 else 0.5):
                continue
            z = dice.uniform(9, 26) if lane.direction < 0 else dice.uniform(14, 40)
            end = add_tram(self.assembly, road, z, lane.lateral, lane.direction)
            self.traffic.take(lane.lateral, z - 3, end + 3)

    def featured_traffic(self) -> None:
        """Add the chosen rare vehicles nearby, in lanes with room for them."""
        dice, road = self.dice, self.road
        for name in ("bus", "truck", "motorcyclist", "rider"):
            if name not in self.features:
                continue
            is_large = name in ("bus", "truck")
            for _ in range(4):
                lane = dice.choice(road.lanes)
                z = dice.uniform(14, 34) if is_large else dice.uniform(7.0, 15)
                if lane.direction < 0:
                    z = z * 0.9
                half = 6.3 if is_large else 1.6
                if not self.traffic.take(lane.lateral, z - half - 1, z + half + 1.5):
                    continue
                yaw, pitch = road.heading(z, lane.direction)
                lateral = lane.lateral + (0.12 * dice.normal() if is_large else 0.5 * dice.normal())
                position = road.point(z, lateral)
                if name == "bus":
                    add_bus(self.assembly, position, yaw, pitch)
                elif name == "truck":
                    add_truck(self.assembly, position, yaw, pitch)
                elif name == "rider":
                    add_bicycle(self.assembly, position, yaw, pitch, True)
                else:
                    add_motorcycle(self.assembly, position, yaw, pitch, True)
                break

    def flowing_traffic(self) -> None:
        """Add moving traffic in the lanes."""
        dice, road = self.dice, self.road
        density = dice.uniform(0.35, 1.0)
        for lane in road.lanes:
            z = dice.uniform(9, 26)
            while z < 130:
                vehicle = dice.weighted(
                    {"car": 0.62, "truck": 0.06, "bus": 0.05, "cycle": 0.12, "none": 0.15 / density}
                )
                half = 6.3 if vehicle in ("truck", "bus") else 2.8
                if vehicle != "none" and self.traffic.take(lane.lateral, z - half - 1, z + half + 1):
                    yaw, pitch = road.heading(z, lane.direction)
                    yaw += 0.02 * dice.normal()
                    position = road.point(z, lane.lateral + 0.15 * dice.normal())
                    if vehicle == "car":
                        add_car(self.assembly, position, yaw, pitch)
                    elif vehicle == "truck":
                        add_truck(self.assembly, position, yaw, pitch)
                    elif vehicle == "bus":
                        add_bus(self.assembly, position, yaw, pitch)
                    elif dice.chance(0.5):
                        add_bicycle(self.assembly, position, yaw, pitch, True)
                    else:
                        add_motorcycle(self.assembly, position, yaw, pitch, True)
                z += dice.uniform(8, 34) / density * 0.7

    def crossings(self) -> None:
        """Add traffic lights at the junction, people on zebra crossings and cars in the crossing street."""
        dice, road = self.dice, self.road
        near_z = road.junction - road.half_junction - 0.8
        has_lights = road.junction < 70 and dice.chance(0.85)
        if not has_lights and road.zebras and road.zebras[0] < 40:
            has_lights, near_z = dice.chance(0.6), road.zebras[0] - 2.0
        if has_lights:
            state = dice.weighted({0: 0.45, 1: 0.15, 2: 0.4})
            hanging = dice.chance(0.55)
            for side in (-1, 1):
                reach = road.half_road * dice.uniform(0.35, 0.6) if hanging and (side > 0 or dice.chance(0.5)) else 0.0
                add_traffic_light(
                    self.assembly, road.on_sidewalk(near_z, side, 0.4), road.yaw(near_z), side, reach, self.poles, state
                )
                if road.junction < 50:
                    far_z = road.junction + road.half_junction + 0.8
                    add_traffic_light(
                        self.assembly, road.on_sidewalk(far_z, side, 0.4), road.yaw(far_z), side, 0.0, self.poles, state
                    )
        if "crossing people" in self.features:
            z = road.zebras[0] if road.zebras and road.zebras[0] < 40 else dice.uniform(9, 24)
            for _ in range(dice.integer(1, 4)):
                lateral = dice.uniform(-1, 1) * road.half_road
                if road.median and abs(lateral) < road.median:
                    continue
                at_z = z + dice.uniform(-1.2, 1.2)
                yaw = road.yaw(at_z) + (math.pi / 2 if dice.chance(0.5) else -math.pi / 2)
                add_person(self.assembly, road.point(at_z, lateral), yaw + 0.1 * dice.normal())
        if road.junction < 80:
            for _ in range(dice.integer(0, 3)):
                side = 1 if dice.chance(0.5) else -1
                lateral = side * dice.uniform(road.half_road + 4, 30)
                at_z = road.junction - side * road.half_junction * 0.45
                # Traffic keeps right: cars from the right are beyond the middle of the crossing street.
                position = road.point(at_z, lateral)
                add_car(self.assembly, position, math.pi / 2 * (1 if dice.chance(0.5) else -1), 0.0)

    def median(self) -> None:
        """Add plants or a fence on the grass between the directions."""
        dice, road = self.dice, self.road
        if not road.median:
            return
        draw = dice.random()
        spacing = dice.uniform(7, 12)
        z = dice.uniform(8, 15)
        while z < 120:
            if not road.in_junction(z, 4):
                position = road.point(z, 0.0, road.curb)
                if draw < 0.45:
                    add_tree(self.assembly, position, 0.8)
                elif draw < 0.7:
                    add_bush(self.assembly, position)
            z += spacing
        if draw > 0.75:
            end = min(road.junction - road.half_junction - 3, 80.0)
            if end > 8:
                add_fence(self.assembly, road, 3, end, 0.0)


def build_street(dice: Dice, shifted: bool) -> Street:
    """Return the street drawn with ``dice``; ``shifted`` streets have different weather, styles and cameras."""
    weather = build_weather(dice, shifted)
    builder = _Builder(dice, shifted)
    lane = dice.choice([lane for lane in builder.road.lanes if lane.direction == 1])
    view = build_view(dice, builder.road, lane, shifted)
    builder.traffic.take(lane.lateral, -20, 6.0)  # the camera's own car
    builder.trams()
    builder.featured_traffic()
    builder.flowing_traffic()
    builder.crossings()
    builder.median()
    for side in (-1, 1):
        builder.parked_cars(side)
        builder.walkers(side)
        builder.parked_cycles(side)
        builder.signs(side)
        builder.lamps_and_trees(side)
        add_plots(builder.assembly, builder.road, side, builder.urban)
    gray = dice.uniform(0.1, 0.26)
    return Street(
        road=builder.road,
        assembly=builder.assembly,
        weather=weather,
        view=view,
        colors=GroundColors(
            road=(gray, gray * dice.uniform(0.97, 1.02), gray * dice.uniform(0.95, 1.06)),
            sidewalk=dice.shade(
                dice.choice(((0.42, 0.4, 0.37), (0.5, 0.48, 0.46), (0.34, 0.3, 0.27), (0.4, 0.31, 0.27))), 0.25
            ),
            grass=dice.shade((0.17, 0.22, 0.07), 0.4),
        ),
        lamps=builder.lamps[:14],
        exposure=Exposure(
            target=dice.uniform(0.44, 0.7) * (0.8 if weather.night > 0.5 else 1.0),
            balance=(1 + 0.045 * dice.normal(), 1 + 0.015 * dice.normal(), 1 + 0.045 * dice.normal()),
            noise=0.004 + 0.018 * dice.random() ** 2 + (0.012 if weather.night > 0.5 else 0.0),
        ),
        seed=int(dice.random() * 2**31),
    )
