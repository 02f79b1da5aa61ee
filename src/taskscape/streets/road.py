"""The road: its course, cross-section and junction, and the ground as one continuous mesh."""

import math
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from taskscape.streets.classes import ROAD, SIDEWALK, TERRAIN
from taskscape.streets.dice import Dice

BEHIND, AHEAD = -9.0, 190.0
"""Start and end of the ground along z in metres; the camera is at z = 0."""
REACH = 75.0
"""Extent of the ground to either side, metres."""
_STEP = 3.0
_SIDE_STREET = 2.6
_QUAD = np.array(((0, 2, 3), (0, 3, 1)))
"""Corners of the two triangles of a quad, as indices into the vertices of a band: left, right, left, right, …"""


@dataclass(frozen=True)
class Strip:
    """A band of the cross-section."""

    left: float
    """Lateral position of its left edge, metres right of the center line."""
    right: float
    height: float
    """Height above the road, metres."""
    label: int


@dataclass(frozen=True)
class Lane:
    """A traffic lane."""

    lateral: float
    """Position of its middle, metres right of the center line."""
    direction: int
    """1 away from the camera, -1 towards it."""
    width: float
    rails: bool = False


class Marking(NamedTuple):
    """A painted line along the road."""

    lateral: float
    dashed: bool


class Ground(NamedTuple):
    """The triangles of the ground, with the vertex attributes that the renderer interpolates."""

    vertices: npt.NDArray[np.float64]
    """World points in metres, (G, 3)."""
    attributes: npt.NDArray[np.float64]
    """Unit normal, and metres right of the center line, (G, 4)."""
    faces: npt.NDArray[np.int32]
    """Vertex indices, (F, 3)."""
    parts: npt.NDArray[np.int32]
    """The ground part of each face, see ``GROUND_PARTS``, (F,)."""


GROUND_PARTS = (ROAD, ROAD, SIDEWALK, TERRAIN)
"""Classes of the ground parts: carriageway, junction, sidewalk, terrain."""
_CARRIAGEWAY, _JUNCTION, _SIDEWALK, _TERRAIN = range(4)


@dataclass
class Road:
    """A road as a function of z, with its center line at x = center(z), y = -elevation(z)."""

    bend: float
    """Curvature, 1/m."""
    sway: float
    """Amplitude of a slow wave of the center line, metres."""
    slope: float
    """Rise over run at the camera."""
    hill: float
    """Amplitude of a slow wave of the elevation, metres."""
    phase: float
    curb: float
    """Height of the sidewalk above the road, metres."""
    half_road: float
    """Half the width between the curbs, metres."""
    parking: tuple[float, float]
    """Width of the parking lane at the left and right curb, metres."""
    sidewalks: tuple[float, float]
    """Widths of the left and right sidewalk, metres."""
    bank: tuple[float, float]
    """Slope of the terrain to the left and right, rise over run."""
    lanes: list[Lane]
    markings: list[Marking]
    median: float
    """Half the width of the grass between the directions in metres, 0 without grass."""
    junction: float
    """z of the middle of the crossing street, infinity if there is none."""
    half_junction: float
    """Half the width of the crossing street, metres."""
    zebras: list[float] = field(default_factory=list)
    """z of the middle of each zebra crossing."""

    def center(self, z: float) -> float:
        """Return the x of the center line."""
        return self.bend * z * z / 2 + self.sway * (math.sin(0.02 * z + self.phase) - math.sin(self.phase))

    def elevation(self, z: float) -> float:
        """Return the height of the road relative to the road at the camera, metres."""
        return self.slope * z + self.hill * (math.sin(0.022 * z + self.phase) - math.sin(self.phase))

    def yaw(self, z: float) -> float:
        """Return the direction of the center line in radians to the right of z."""
        return math.atan(self.bend * z + 0.02 * self.sway * math.cos(0.02 * z + self.phase))

    def pitch(self, z: float) -> float:
        """Return the inclination of the road above the horizon in radians."""
        return math.atan(self._rise(z))

    def _rise(self, z: float) -> float:
        return self.slope + 0.022 * self.hill * math.cos(0.022 * z + self.phase)

    def point(self, z: float, lateral: float, up: float = 0.0) -> tuple[float, float, float]:
        """Return the world point ``up`` metres above the road and ``lateral`` metres right of the center line."""
        return self.center(z) + lateral, -self.elevation(z) - up, z

    def ground_up(self, lateral: float) -> float:
        """Return the height of the ground above the road, away from the junction."""
        is_right = lateral > 0
        beyond = abs(lateral) - self.half_road
        if beyond < 0:
            return self.curb if abs(lateral) < self.median else 0.0
        return self.curb + max(0.0, beyond - self.sidewalks[is_right]) * self.bank[is_right]

    def in_junction(self, z: float, margin: float = 0.0) -> bool:
        """Return whether z is in the crossing street or less than ``margin`` metres from it."""
        return abs(z - self.junction) < self.half_junction + margin

    def edge(self, side: int) -> float:
        """Return the distance from the center line to the sidewalk's outer edge; side 0 is left, 1 right."""
        return self.half_road + self.sidewalks[side]

    def _strips(self) -> list[Strip]:
        inner = -self.half_road
        strips = [
            Strip(-REACH, -self.edge(0), self.curb, TERRAIN),
            Strip(-self.edge(0), inner, self.curb, SIDEWALK),
        ]
        if self.median:
            strips += [
                Strip(inner, -self.median, 0, ROAD),
                Strip(-self.median, self.median, self.curb, TERRAIN),
                Strip(self.median, -inner, 0, ROAD),
            ]
        else:
            strips.append(Strip(inner, -inner, 0, ROAD))
        return [
            *strips,
            Strip(-inner, self.edge(1), self.curb, SIDEWALK),
            Strip(self.edge(1), REACH, self.curb, TERRAIN),
        ]

    def ground(self) -> Ground:
        """Return the ground as one mesh without gaps: strips along the road, interrupted by the junction."""
        mesh = _GroundMesh(self)
        street_strips = self._strips()
        corner_strips = [
            Strip(s.left, s.right, s.height, SIDEWALK if s.height > 0 and abs(s.left + s.right) > 1 else s.label)
            for s in street_strips
        ]
        begin, end = self.junction - self.half_junction, self.junction + self.half_junction
        if begin > AHEAD:
            mesh.add_strips(street_strips, BEHIND, AHEAD)
            return mesh.finish()
        mesh.add_strips(street_strips, BEHIND, begin - _SIDE_STREET)
        mesh.add_strips(corner_strips, begin - _SIDE_STREET, begin)
        mesh.add_junction_curbs(street_strips, begin, -1)
        mesh.add_strips([Strip(-REACH, REACH, 0, ROAD)], begin, end, _JUNCTION)
        mesh.add_junction_curbs(street_strips, end, 1)
        mesh.add_strips(corner_strips, end, end + _SIDE_STREET)
        mesh.add_strips(street_strips, end + _SIDE_STREET, AHEAD)
        return mesh.finish()


class _GroundMesh:
    """Collects the triangles of the ground in arrays, one per stretch of the road."""

    def __init__(self, road: Road) -> None:
        self._road = road
        self._vertices: list[npt.NDArray[np.float64]] = []
        self._faces: list[npt.NDArray[np.int32]] = []
        self._count = 0

    def _stations(self, begin: float, end: float) -> npt.NDArray[np.float64]:
        """Return the road at the positions from z = begin to end where all strips have vertices, (5, S).

        The rows are x, elevation, z, rise, and the shift of the center line to the right per metre of z.
        """
        road = self._road
        steps = max(1, math.ceil((end - begin) / _STEP))
        stations = []
        for i in range(steps + 1):  # one by one, as NumPy's sines differ in the last bits
            z = begin + (end - begin) * i / steps
            slant = road.bend * z + 0.02 * road.sway * math.cos(0.02 * z + road.phase)
            stations.append((road.center(z), road.elevation(z), z, road._rise(z), slant))
        return np.array(stations).T

    def _bank(self, lateral: float, strip: Strip) -> float:
        """Return the slope of the strip to the right, rise over run."""
        is_sloped = abs(lateral) > self._road.half_road and strip.label == TERRAIN
        is_right = lateral > 0
        return (self._road.bank[is_right] if is_right else -self._road.bank[is_right]) if is_sloped else 0.0

    def add_strips(self, strips: list[Strip], begin: float, end: float, part: int | None = None) -> None:
        """Add strips from z = begin to end, with curbs between strips of different heights."""
        bands = []  # lateral position and height at both edges, normal to the right and down, slope along, part
        for strip in strips:
            strip_part = (
                part if part is not None else {ROAD: _CARRIAGEWAY, SIDEWALK: _SIDEWALK, TERRAIN: _TERRAIN}[strip.label]
            )
            bank = self._bank((strip.left + strip.right) / 2, strip)
            rise = bank * (strip.right - strip.left)
            left_up = strip.height + (-rise if strip.left < 0 else 0.0)
            right_up = strip.height + (rise if strip.right > 0 else 0.0)
            # The normal is the gradient of the surface y = -elevation(z) - bank · (x - center(z)).
            bands.append((strip.left, left_up, strip.right, right_up, -bank, -1.0, 1.0, strip_part))
        for left, right in pairwise(strips):
            if left.height != right.height:
                facing = 1.0 if left.height > right.height else -1.0
                bands.append((left.right, left.height, left.right, right.height, facing, 0.0, 0.0, _SIDEWALK))
        self._add(self._stations(begin, end), np.array(bands))

    def _add(self, stations: npt.NDArray[np.float64], bands: npt.NDArray[np.float64]) -> None:
        """Add the quads between the stations, (5, S), of each band, (n, 8)."""
        x, elevation, z, rise, slant = stations
        lateral, up = bands[:, None, 0:4:2], bands[:, None, 1:4:2]
        right, down, slope = bands[:, 4:7].T[..., None]
        forward = -(slope * rise + right * slant)
        length = np.sqrt(right * right + down * down + forward * forward)
        vertices = np.empty((len(bands), len(z), 2, 7))
        columns = (
            x[:, None] + lateral, -elevation[:, None] - up, z[:, None],
            (right / length)[..., None], (down / length)[..., None], (forward / length)[..., None], lateral,
        )  # fmt: skip
        for i, column in enumerate(columns):
            vertices[..., i] = column
        faces = np.empty((len(bands), len(z) - 1, 2, 4), np.int32)
        first_vertex = self._count + 2 * len(z) * np.arange(len(bands))[:, None] + 2 * np.arange(len(z) - 1)
        faces[..., :3] = first_vertex[..., None, None] + _QUAD
        faces[..., 3] = bands[:, 7, None, None]
        self._vertices.append(vertices.reshape(-1, 7))
        self._faces.append(faces.reshape(-1, 4))
        self._count += vertices.size // 7

    def add_junction_curbs(self, strips: list[Strip], z: float, facing: int) -> None:
        """Add the curbs along the crossing street: faces at z that face in the direction ``facing`` · z."""
        x, elevation = self._road.center(z), self._road.elevation(z)
        for strip in strips:
            if strip.height > 0:
                corners = [(strip.left, 0.0), (strip.right, 0.0), (strip.right, strip.height),
                           (strip.left, strip.height)]  # fmt: skip
                self._vertices.append(
                    np.array([
                        (x + lateral, -elevation - up, z, 0.0, 0.0, -float(facing), lateral) for lateral, up in corners
                    ])
                )  # fmt: skip
                v = self._count
                self._faces.append(np.array([(v, v + 1, v + 2, _SIDEWALK), (v, v + 2, v + 3, _SIDEWALK)], np.int32))
                self._count += 4

    def finish(self) -> Ground:
        """Return the mesh, with faces wound to match their normals."""
        vertices = np.concatenate(self._vertices)
        faces = np.concatenate(self._faces)
        a, b, c = (vertices[faces[:, i], :3] for i in range(3))
        outward = (np.cross(b - a, c - a) * vertices[faces[:, 0], 3:6]).sum(1) > 0
        faces[~outward, 1:3] = faces[~outward, 2:0:-1]
        return Ground(
            np.ascontiguousarray(vertices[:, :3]),
            np.ascontiguousarray(vertices[:, 3:]),
            np.ascontiguousarray(faces[:, :3]),
            np.ascontiguousarray(faces[:, 3]),
        )


def build_road(dice: Dice, urban: float, rails: bool) -> Road:
    """Return a road; ``urban`` 0..1 makes it denser, ``rails`` puts trams in its middle lanes."""
    lane_width = dice.uniform(2.9, 3.5)
    each_way = 2 if rails else dice.weighted({1: 0.55, 2: 0.35, 3: 0.1})
    one_way = not rails and dice.chance(0.18)
    median = dice.uniform(0.8, 2.2) if not one_way and not rails and dice.chance(0.22) else 0.0
    parking = tuple(2.15 if dice.chance(0.35 + 0.3 * urban) else 0.0 for _ in range(2))
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
    if parking[0] or parking[1]:
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
        parking=(parking[0], parking[1]),
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
