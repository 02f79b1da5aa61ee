"""The layout of a street: which objects it has, and where."""

import math
from typing import NamedTuple

import numpy as np

from taskscape.streets.assembly import Assembly
from taskscape.streets.barriers import add_fence, add_wall
from taskscape.streets.buildings import add_building
from taskscape.streets.camera import View, build_view
from taskscape.streets.classes import TERRAIN
from taskscape.streets.cycles import add_bicycle, add_motorcycle
from taskscape.streets.dice import Color, Dice
from taskscape.streets.furniture import (
    add_bollard,
    add_gantry_sign,
    add_lamp,
    add_sign,
    add_traffic_light,
    add_utility_pole,
    pole_color,
)  # fmt: skip
from taskscape.streets.materials import BALLAST, CARRIAGEWAY, GRASS, JUNCTION, METAL, PAVEMENT
from taskscape.streets.people import add_person
from taskscape.streets.road import Road, build_road
from taskscape.streets.shapes import BOX
from taskscape.streets.trains import add_railway_train, add_tram
from taskscape.streets.vegetation import add_bush, add_hedge, add_tree
from taskscape.streets.vehicles import add_bus, add_car, add_truck
from taskscape.streets.weather import Weather, build_weather

_FAR = 150.0
"""Distance at which plots end, metres."""
_PLOT_KINDS = ("town", "houses", "park", "walled", "railway")


class GroundColors(NamedTuple):
    """Colors of the ground."""

    road: Color
    sidewalk: Color
    grass: Color
    materials: tuple[int, int, int, int] = (CARRIAGEWAY, JUNCTION, PAVEMENT, GRASS)
    """Materials of carriageway, junction, sidewalk and terrain."""


class Street(NamedTuple):
    """A complete scene before rendering."""

    road: Road
    assembly: Assembly
    weather: Weather
    view: View
    colors: GroundColors
    lamps: list[tuple[float, float, float]]
    """World points of the lights of the street lamps."""
    exposure: float
    balance: Color
    noise: float
    seed: int
    """Seed of the renderer, 0 … 2^31 - 1."""
    tone: tuple[float, float, float] = (1.18, 0.62, 0.5)
    """The tone curve, (a, b, c): y² = x · a / (x + b) of radiance x, then y + c · y · (1 - y) · (2y - 1), clipped at 1.

    A larger b clips more highlights, a larger c darkens shadows.
    """


class Traffic:
    """Keeps track of the occupied stretches of each lane."""

    def __init__(self) -> None:
        self._intervals: dict[float, list[tuple[float, float]]] = {}

    def take(self, lateral: float, begin: float, end: float) -> bool:
        """Reserve a stretch of a lane, and return whether it was free."""
        intervals = self._intervals.setdefault(lateral, [])
        if any(begin < other_end and end > other_begin for other_begin, other_end in intervals):
            return False
        intervals.append((begin, end))
        return True


class _Builder:
    """Builds a street; each method adds one kind of object."""

    def __init__(self, dice: Dice, shifted: bool) -> None:
        self.dice = dice
        self.shifted = shifted
        self.urban = dice.random()
        self.rails = dice.chance(0.24)
        self.road = build_road(dice, self.urban, self.rails)
        self.assembly = Assembly(dice)
        self.traffic = Traffic()
        self.lamps: list[tuple[float, float, float]] = []
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

    def on_sidewalk(self, z: float, side: int, from_curb: float) -> tuple[float, float, float]:
        """Return the point ``from_curb`` metres from the curb on the sidewalk of side -1 or 1."""
        return self.road.point(z, side * (self.road.half_road + from_curb), self.road.curb)

    def heading(self, direction: int, z: float) -> tuple[float, float]:
        """Return yaw and pitch of traffic in this direction at z."""
        yaw, pitch = self.road.yaw(z), self.road.pitch(z)
        return (yaw, pitch) if direction > 0 else (yaw + math.pi, -pitch)

    # --- beside the road -------------------------------------------------------------------------------------------

    def plots(self, side: int) -> None:
        """Add plots behind the sidewalk on one side."""
        dice, road = self.dice, self.road
        character = dice.weighted(
            {"town": 0.25 + 0.6 * self.urban, "houses": 0.35, "park": 0.25, "walled": 0.22, "railway": 0.16}
        )
        if character == "railway":
            self._railway(side)
            return
        edge = road.edge(int(side > 0))
        z = -4.0
        while z < _FAR:
            length = dice.uniform(8, 22) if character == "town" else dice.uniform(10, 24)
            if road.in_junction(z + length / 2, length / 2 + 3):
                z = z + 3 if z < road.junction else max(z + 3, road.junction + road.half_junction + 3)
                continue
            plot_kind = character if dice.chance(0.72) else dice.choice(_PLOT_KINDS[:4])
            self._plot(plot_kind, side, z, z + length, edge)
            z += length

    def _plot(self, plot_kind: str, side: int, begin: float, end: float, edge: float) -> None:
        dice, road, assembly = self.dice, self.road, self.assembly
        if plot_kind == "town":
            setback = dice.uniform(0.1, 0.8) if dice.chance(0.8) else dice.uniform(2, 5)
        elif plot_kind == "houses":
            setback = dice.uniform(2.5, 7.0)
        elif plot_kind == "walled":
            setback = dice.uniform(4.0, 12.0)
        else:
            setback = 18.0
        if plot_kind != "park":
            add_building(assembly, road, side, begin, end, setback, self.urban, self.shifted)
        elif dice.chance(0.6):
            add_building(assembly, road, side, begin, end, dice.uniform(16, 30), self.urban, self.shifted)
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
            add_hedge(assembly, road, begin, end, side * (edge + 0.7), self.shifted)
        trees = dice.integer(2, 4) if plot_kind == "park" else dice.integer(0, 1)
        for _ in range(trees):
            lateral = side * (edge + dice.uniform(1.6, max(2.2, min(setback - 1.5, 9))))
            z = dice.uniform(begin, end)
            add_tree(assembly, road.point(z, lateral, road.ground_up(lateral)), self.shifted, dice.uniform(0.8, 1.5))
        for _ in range(dice.integer(0, 3)):
            lateral = side * (edge + dice.uniform(1.3, 4))
            z = dice.uniform(begin, end)
            add_bush(assembly, road.point(z, lateral, road.ground_up(lateral)), self.shifted)

    def _railway(self, side: int) -> None:
        """Add a railway along the road, often with a train, behind a fence."""
        dice, road, assembly = self.dice, self.road, self.assembly
        edge = road.edge(int(side > 0))
        lateral = side * (edge + dice.uniform(4.0, 6.5))
        dark: Color = (0.22, 0.2, 0.18)
        for middle in range(-3, 150, 6):
            if road.in_junction(middle, 3):
                continue
            position = road.point(middle, lateral, road.ground_up(lateral))
            assembly.begin(TERRAIN, position, road.yaw(middle), road.pitch(middle))
            assembly.add(BOX, (0, 0.1, 0), (2.3, 0.3, 3.02), dark, BALLAST, taper=(0.7, 1.0))
            for rail in (-0.75, 0.75):
                assembly.add(BOX, (rail, 0.46, 0), (0.05, 0.08, 3.02), (0.4, 0.36, 0.34), METAL)
        if dice.chance(0.75):
            begin = dice.uniform(3, 22)
            if begin < road.junction < begin + 30:
                begin = road.junction + road.half_junction + 3
            add_railway_train(assembly, road, begin, min(begin + dice.uniform(15, 60), 150), lateral, self.shifted)
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
                add_hedge(assembly, road, begin, min(end, 60), border_lateral, self.shifted)
        for post in range(8, 140, 30):
            position = road.point(post, side * (edge + 7.8), road.ground_up(side * (edge + 7.8)))
            add_utility_pole(assembly, position, road.yaw(post))
        for _ in range(dice.integer(4, 9)):
            z, tree_lateral = dice.uniform(5, 120), side * (edge + dice.uniform(10, 20))
            add_tree(assembly, road.point(z, tree_lateral, road.ground_up(tree_lateral)), self.shifted, 1.4)

    # --- on the sidewalk -------------------------------------------------------------------------------------------

    def lamps_and_trees(self, side: int) -> None:
        """Add lamps and a row of trees at the curb."""
        dice, road = self.dice, self.road
        spacing, old = dice.uniform(20, 32), dice.chance(0.25)
        z = dice.uniform(5, 18)
        while z < 140:
            if not road.in_junction(z, 1.5):
                height = add_lamp(self.assembly, self.on_sidewalk(z, side, 0.45), road.yaw(z), side, self.poles, old)
                if len(self.lamps) < 14:
                    self.lamps.append(road.point(z, side * (road.half_road - (0 if old else 0.8)), height - 0.2))
            z += spacing
        if dice.chance(0.5):
            spacing = dice.uniform(7, 13)
            z = dice.uniform(6, 16)
            while z < 130:
                if not road.in_junction(z, 4) and dice.chance(0.8):
                    add_tree(self.assembly, self.on_sidewalk(z, side, 0.9), self.shifted, dice.uniform(0.75, 1.05))
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
                add_gantry_sign(self.assembly, self.on_sidewalk(z, side, 1.2), yaw, self.poles)
            else:
                sign_yaw = yaw + (math.pi if side < 0 and dice.chance(0.45) else 0)
                add_sign(self.assembly, self.on_sidewalk(z, side, dice.uniform(0.3, 0.6)), sign_yaw, self.poles)
        if dice.chance(0.18):
            begin = dice.uniform(6, 25)
            for i in range(dice.integer(4, 9)):
                if not road.in_junction(begin + 1.6 * i, 0):
                    add_bollard(self.assembly, self.on_sidewalk(begin + 1.6 * i, side, 0.3), self.poles)
        elif dice.chance(0.16):
            begin = dice.uniform(5, 30)
            if not road.in_junction(begin + 6, 9):
                add_fence(self.assembly, road, begin, begin + 12, side * (road.half_road + 0.25))

    def walkers(self, side: int) -> None:
        """Add people on the sidewalk, alone and in groups."""
        dice, road = self.dice, self.road
        width = road.sidewalks[int(side > 0)]
        for _ in range(dice.integer(1, 4)):
            z = 5.5 + 38 * dice.random() ** 1.6
            from_curb = dice.uniform(0.5, max(0.8, width - 0.4))
            walking = dice.chance(0.8)
            yaw = (0 if dice.chance(0.5) else math.pi) + 0.3 * dice.normal() if walking else dice.uniform(0, 6.28)
            for k in range(dice.integer(1, 3) if dice.chance(0.4) else 1):
                position = self.on_sidewalk(z + 0.35 * k * dice.normal(), side, from_curb + 0.65 * k)
                add_person(self.assembly, position, yaw + 0.15 * dice.normal(), self.shifted, walking)

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
                    position = self.on_sidewalk(at_z, side, dice.uniform(0.9, 1.1))
                    yaw = road.yaw(at_z) + side * angle + 0.1 * dice.normal()
                    if name == "bicycles":
                        add_bicycle(self.assembly, position, yaw, 0.0, False, self.shifted)
                    else:
                        add_motorcycle(self.assembly, position, yaw, 0.0, False, self.shifted)

    # --- on the road -----------------------------------------------------------------------------------------------

    def parked_cars(self, side: int) -> None:
        """Add parked cars in the parking lane."""
        dice, road = self.dice, self.road
        if not road.parking[int(side > 0)]:
            return
        lateral = side * (road.half_road - 1.05)
        z = dice.uniform(4, 12)
        while z < 110:
            if (
                not road.in_junction(z, 4)
                and dice.chance(0.62)
                and not any(abs(z - zebra) < 5 for zebra in road.zebras)
            ):
                yaw, pitch = self.heading(1 if dice.chance(0.2) else side, z)
                yaw += 0.025 * dice.normal()
                if dice.chance(0.06):
                    add_truck(self.assembly, road.point(z, lateral - side * 0.1), yaw, pitch, self.shifted)
                    z += 4
                else:
                    add_car(self.assembly, road.point(z, lateral), yaw, pitch, self.shifted)
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
            end = add_tram(self.assembly, road, z, lane.lateral, lane.direction, self.shifted)
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
                yaw, pitch = self.heading(lane.direction, z)
                lateral = lane.lateral + (0.12 * dice.normal() if is_large else 0.5 * dice.normal())
                position = road.point(z, lateral)
                if name == "bus":
                    add_bus(self.assembly, position, yaw, pitch, self.shifted)
                elif name == "truck":
                    add_truck(self.assembly, position, yaw, pitch, self.shifted)
                elif name == "rider":
                    add_bicycle(self.assembly, position, yaw, pitch, True, self.shifted)
                else:
                    add_motorcycle(self.assembly, position, yaw, pitch, True, self.shifted)
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
                    yaw, pitch = self.heading(lane.direction, z)
                    yaw += 0.02 * dice.normal()
                    position = road.point(z, lane.lateral + 0.15 * dice.normal())
                    if vehicle == "car":
                        add_car(self.assembly, position, yaw, pitch, self.shifted)
                    elif vehicle == "truck":
                        add_truck(self.assembly, position, yaw, pitch, self.shifted)
                    elif vehicle == "bus":
                        add_bus(self.assembly, position, yaw, pitch, self.shifted)
                    elif dice.chance(0.5):
                        add_bicycle(self.assembly, position, yaw, pitch, True, self.shifted)
                    else:
                        add_motorcycle(self.assembly, position, yaw, pitch, True, self.shifted)
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
                    self.assembly, self.on_sidewalk(near_z, side, 0.4), road.yaw(near_z), side, reach, self.poles, state
                )
                if road.junction < 50:
                    far_z = road.junction + road.half_junction + 0.8
                    add_traffic_light(
                        self.assembly, self.on_sidewalk(far_z, side, 0.4), road.yaw(far_z), side, 0.0, self.poles, state
                    )
        if "crossing people" in self.features:
            z = road.zebras[0] if road.zebras and road.zebras[0] < 40 else dice.uniform(9, 24)
            for _ in range(dice.integer(1, 4)):
                lateral = dice.uniform(-1, 1) * road.half_road
                if road.median and abs(lateral) < road.median:
                    continue
                at_z = z + dice.uniform(-1.2, 1.2)
                yaw = road.yaw(at_z) + (math.pi / 2 if dice.chance(0.5) else -math.pi / 2)
                add_person(self.assembly, road.point(at_z, lateral), yaw + 0.1 * dice.normal(), self.shifted)
        if road.junction < 80:
            for _ in range(dice.integer(0, 3)):
                side = 1 if dice.chance(0.5) else -1
                lateral = side * dice.uniform(road.half_road + 4, 30)
                at_z = road.junction - side * road.half_junction * 0.45
                # Traffic keeps right: cars from the right are beyond the middle of the crossing street.
                position = road.point(at_z, lateral)
                add_car(self.assembly, position, math.pi / 2 * (1 if dice.chance(0.5) else -1), 0.0, self.shifted)

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
                    add_tree(self.assembly, position, self.shifted, 0.8)
                elif draw < 0.7:
                    add_bush(self.assembly, position, self.shifted)
            z += spacing
        if draw > 0.75:
            end = min(road.junction - road.half_junction - 3, 80.0)
            if end > 8:
                add_fence(self.assembly, road, 3, end, 0.0)


def build_street(dice: Dice, shifted: bool) -> Street:
    """Return the street drawn with ``dice``; ``shifted`` streets have different weather, styles and cameras."""
    weather = build_weather(dice, shifted)
    builder = _Builder(dice, shifted)
    view = build_view(dice, builder.road, shifted)
    # The camera's own car occupies its lane up to six metres ahead.
    center_x = builder.road.point(0.0, 0.0)[0]
    for lane in builder.road.lanes:
        if abs(lane.lateral - (view.position[0] - center_x)) < lane.width / 2:
            builder.traffic.take(lane.lateral, -20, 6.0)
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
        builder.plots(side)
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
        lamps=builder.lamps,
        exposure=dice.uniform(0.44, 0.7) * (0.8 if weather.night > 0.5 else 1.0),
        balance=(1 + 0.045 * dice.normal(), 1 + 0.015 * dice.normal(), 1 + 0.045 * dice.normal()),
        noise=0.004 + 0.018 * dice.random() ** 2 + (0.012 if weather.night > 0.5 else 0.0),
        seed=int(dice.random() * 2**31),
    )


def lamp_points(street: Street) -> "np.ndarray[tuple[int, int], np.dtype[np.float64]]":
    """Return the world points of the lights of the street lamps, (n, 3)."""
    return np.array(street.lamps, np.float64).reshape(-1, 3)
