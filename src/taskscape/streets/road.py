"""The road: its course, cross-section and junction."""

import math
from dataclasses import dataclass, field
from typing import NamedTuple

from taskscape.streets.assembly import Point
from taskscape.streets.dice import Dice

AHEAD = 190.0
"""End of the ground along z in meters; the camera is at z = 0."""


@dataclass(frozen=True)
class Lane:
    """A traffic lane."""

    lateral: float
    """Position of its middle, meters right of the center line."""
    direction: int
    """1 away from the camera, -1 towards it."""
    width: float
    rails: bool = False


class Marking(NamedTuple):
    """A painted line along the road."""

    lateral: float
    dashed: bool


@dataclass
class Road:
    """A road as a function of z, with its center line at x = center(z), y = -elevation(z)."""

    bend: float
    """Curvature, 1/m."""
    sway: float
    """Amplitude of a slow wave of the center line, meters."""
    slope: float
    """Rise over run at the camera."""
    hill: float
    """Amplitude of a slow wave of the elevation, meters."""
    phase: float
    curb: float
    """Height of the sidewalk above the road, meters."""
    half_road: float
    """Half the width between the curbs, meters."""
    parking: tuple[float, float]
    """Width of the parking lane at the left and right curb, meters."""
    sidewalks: tuple[float, float]
    """Widths of the left and right sidewalk, meters."""
    bank: tuple[float, float]
    """Slope of the terrain to the left and right, rise over run."""
    lanes: list[Lane]
    markings: list[Marking]
    median: float
    """Half the width of the grass between the directions in meters, 0 without grass."""
    junction: float
    """z of the middle of the crossing street, infinity if there is none."""
    half_junction: float
    """Half the width of the crossing street, meters."""
    zebras: list[float] = field(default_factory=list)
    """z of the middle of each zebra crossing."""

    def center(self, z: float) -> float:
        """Return the x of the center line."""
        return self.bend * z * z / 2 + self.sway * (math.sin(0.02 * z + self.phase) - math.sin(self.phase))

    def elevation(self, z: float) -> float:
        """Return the height of the road relative to the road at the camera, meters."""
        return self.slope * z + self.hill * (math.sin(0.022 * z + self.phase) - math.sin(self.phase))

    def slant(self, z: float) -> float:
        """Return the shift of the center line to the right per meter of z."""
        return self.bend * z + 0.02 * self.sway * math.cos(0.02 * z + self.phase)

    def rise(self, z: float) -> float:
        """Return the slope of the road, rise over run."""
        return self.slope + 0.022 * self.hill * math.cos(0.022 * z + self.phase)

    def yaw(self, z: float) -> float:
        """Return the direction of the center line in radians to the right of z."""
        return math.atan(self.slant(z))

    def pitch(self, z: float) -> float:
        """Return the inclination of the road above the horizon in radians."""
        return math.atan(self.rise(z))

    def heading(self, z: float, direction: int) -> tuple[float, float]:
        """Return yaw and pitch of traffic, with ``direction`` as in ``Lane``."""
        yaw, pitch = self.yaw(z), self.pitch(z)
        return (yaw, pitch) if direction > 0 else (yaw + math.pi, -pitch)

    def point(self, z: float, lateral: float, up: float = 0.0) -> Point:
        """Return the world point ``up`` meters above the road and ``lateral`` meters right of the center line."""
        return self.center(z) + lateral, -self.elevation(z) - up, z

    def on_ground(self, z: float, lateral: float, up: float = 0.0) -> Point:
        """Return the world point ``up`` meters above the ground beside the road, away from the junction."""
        return self.point(z, lateral, self.ground_up(lateral) + up)

    def on_sidewalk(self, z: float, side: int, from_curb: float) -> Point:
        """Return the point ``from_curb`` meters from the curb on the sidewalk of side -1 or 1."""
        return self.point(z, side * (self.half_road + from_curb), self.curb)

    def ground_up(self, lateral: float) -> float:
        """Return the height of the ground above the road, away from the junction."""
        is_right = lateral > 0
        beyond = abs(lateral) - self.half_road
        if beyond < 0:
            return self.curb if abs(lateral) < self.median else 0.0
        return self.curb + max(0.0, beyond - self.sidewalks[is_right]) * self.bank[is_right]

    def in_junction(self, z: float, margin: float = 0.0) -> bool:
        """Return whether z is in the crossing street or less than ``margin`` meters from it."""
        return abs(z - self.junction) < self.half_junction + margin

    def edge(self, side: int) -> float:
        """Return the distance from the center line to the outer edge of the sidewalk of side -1 or 1."""
        return self.half_road + self.sidewalks[side > 0]


def pieces(begin: float, end: float, length: float, shortest: float = 0.1) -> list[tuple[float, float]]:
    """Return the middles and half lengths, in meters, of straight pieces that follow the road from z = begin to end.

    All but the last have this ``length``; a last one that is not longer than ``shortest`` is left out.
    """
    found = []
    z = begin
    while z < end - shortest:
        half = min(length, end - z) / 2
        found.append((z + half, half))
        z += 2 * half
    return found


def build_road(dice: Dice, urban: float, rails: bool) -> Road:
    """Return a road; ``urban`` 0..1 makes it denser, ``rails`` puts trams in its middle lanes."""
    lane_width = dice.uniform(2.9, 3.5)
    each_way = 2 if rails else dice.weighted({1: 0.55, 2: 0.35, 3: 0.1})
    one_way = not rails and dice.chance(0.18)
    median = dice.uniform(0.8, 2.2) if not one_way and not rails and dice.chance(0.22) else 0.0
    left, right = (2.15 if dice.chance(0.35 + 0.3 * urban) else 0.0 for _ in range(2))
    lanes, markings = [], []
    if one_way:
        count = each_way + 1
        for i in range(count):
            lanes.append(Lane((i + 0.5 - count / 2) * lane_width, 1, lane_width))
            if i:
                markings.append(Marking((i - count / 2) * lane_width, True))
        half_lanes = count / 2 * lane_width
    else:
        half_lanes = median + each_way * lane_width
        for side in (-1, 1):
            for i in range(each_way):
                lateral = side * (median + (i + 0.5) * lane_width)
                lanes.append(Lane(lateral, side, lane_width, rails and i == 0))
                if i:
                    markings.append(Marking(side * (median + i * lane_width), True))
        if not median:
            markings.append(Marking(0.0, each_way == 1 or dice.chance(0.4)))
    half_road = half_lanes + 0.25
    if left or right:
        # The carriageway stays symmetric: a side without a parking lane has a cycle lane of the same width.
        half_road += 2.15
        markings += [Marking(side * half_lanes, dice.chance(0.5)) for side in (-1, 1)]
    else:
        markings += [Marking(side * (half_lanes + 0.08), False) for side in (-1, 1)] if dice.chance(0.7) else []
    road = Road(
        bend=dice.normal() * 0.0016,
        sway=dice.uniform(-0.4, 0.4),
        slope=dice.normal() * 0.012,
        hill=dice.normal() * 0.7,
        phase=dice.uniform(0, 6.28),
        curb=dice.uniform(0.1, 0.17),
        half_road=half_road,
        parking=(left, right),
        sidewalks=(dice.uniform(2.0, 5.0), dice.uniform(2.0, 5.0)),
        bank=(
            dice.uniform(-0.02, 0.12) if dice.chance(0.6 - 0.4 * urban) else 0.0,
            dice.uniform(-0.02, 0.12) if dice.chance(0.6 - 0.4 * urban) else 0.0,
        ),
        lanes=lanes,
        markings=markings,
        median=median,
        junction=dice.uniform(15, 52) if dice.chance(0.55) else math.inf,
        half_junction=dice.uniform(4, 7),
    )
    if road.junction < AHEAD and dice.chance(0.75):
        road.zebras.append(road.junction - road.half_junction - 2.6)
        road.zebras.append(road.junction + road.half_junction + 2.6)
    elif dice.chance(0.3):
        road.zebras.append(dice.uniform(9, 30))
    return road
