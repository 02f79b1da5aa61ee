"""The ground as one continuous mesh: road, curbs, sidewalks, terrain."""

import math
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from taskscape.streets.classes import ROAD, SIDEWALK, TERRAIN
from taskscape.streets.road import AHEAD, Road

_BEHIND = -9.0
"""Start of the ground along z in meters; the camera is at z = 0."""
_REACH = 75.0
"""Extent of the ground to either side, meters."""
_STEP = 3.0
_SIDE_STREET = 2.6
_QUAD = np.array(((0, 2, 3), (0, 3, 1)))
"""Corners of the two triangles of a quad, as indices into the vertices of a band: left, right, left, right, …"""


@dataclass(frozen=True)
class Strip:
    """A band of the cross-section."""

    left: float
    """Lateral position of its left edge, meters right of the center line."""
    right: float
    height: float
    """Height above the road, meters."""
    label: int


class Ground(NamedTuple):
    """The triangles of the ground, with the vertex attributes that the renderer interpolates."""

    vertices: npt.NDArray[np.float64]
    """World points in meters, (G, 3)."""
    attributes: npt.NDArray[np.float64]
    """Unit normal, and meters right of the center line, (G, 4)."""
    faces: npt.NDArray[np.int32]
    """Vertex indices, (F, 3)."""
    parts: npt.NDArray[np.int32]
    """The ground part of each face, see ``GROUND_PARTS``, (F,)."""


GROUND_PARTS = (ROAD, ROAD, SIDEWALK, TERRAIN)
"""Classes of the ground parts: carriageway, junction, sidewalk, terrain."""
GROUND_COUNT = len(GROUND_PARTS)
"""Number of the ground parts, which come before all other parts of a mesh."""
_CARRIAGEWAY, _JUNCTION, _SIDEWALK, _TERRAIN = range(GROUND_COUNT)
_PARTS = {ROAD: _CARRIAGEWAY, SIDEWALK: _SIDEWALK, TERRAIN: _TERRAIN}
"""The ground part of strips of each class, away from the junction."""


def _strips(road: Road) -> list[Strip]:
    """Return the bands of the cross-section, from left to right."""
    inner = -road.half_road
    strips = [
        Strip(-_REACH, -road.edge(-1), road.curb, TERRAIN),
        Strip(-road.edge(-1), inner, road.curb, SIDEWALK),
    ]
    if road.median:
        strips += [
            Strip(inner, -road.median, 0, ROAD),
            Strip(-road.median, road.median, road.curb, TERRAIN),
            Strip(road.median, -inner, 0, ROAD),
        ]
    else:
        strips.append(Strip(inner, -inner, 0, ROAD))
    return [
        *strips,
        Strip(-inner, road.edge(1), road.curb, SIDEWALK),
        Strip(road.edge(1), _REACH, road.curb, TERRAIN),
    ]


def build_ground(road: Road) -> Ground:
    """Return the ground as one mesh without gaps: strips along the road, interrupted by the junction."""
    mesh = _GroundMesh(road)
    street_strips = _strips(road)
    corner_strips = [
        replace(strip, label=SIDEWALK) if strip.height > 0 and abs(strip.left + strip.right) > 1 else strip
        for strip in street_strips
    ]
    begin, end = road.junction - road.half_junction, road.junction + road.half_junction
    if begin > AHEAD:
        mesh.add_strips(street_strips, _BEHIND, AHEAD)
        return mesh.finish()
    mesh.add_strips(street_strips, _BEHIND, begin - _SIDE_STREET)
    mesh.add_strips(corner_strips, begin - _SIDE_STREET, begin)
    mesh.add_junction_curbs(street_strips, begin, -1)
    mesh.add_strips([Strip(-_REACH, _REACH, 0, ROAD)], begin, end, _JUNCTION)
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

        The rows are x, elevation, z, rise, and the shift of the center line to the right per meter of z.
        """
        road = self._road
        steps = max(1, math.ceil((end - begin) / _STEP))
        stations = []
        for i in range(steps + 1):  # one by one, as NumPy's sines differ in the last bits
            z = begin + (end - begin) * i / steps
            stations.append((road.center(z), road.elevation(z), z, road.rise(z), road.slant(z)))
        return np.array(stations).T

    def _bank(self, strip: Strip) -> float:
        """Return the slope of a strip to the right, rise over run."""
        middle = (strip.left + strip.right) / 2
        if strip.label != TERRAIN or abs(middle) <= self._road.half_road:
            return 0.0
        return self._road.bank[1] if middle > 0 else -self._road.bank[0]

    def add_strips(self, strips: list[Strip], begin: float, end: float, part: int | None = None) -> None:
        """Add strips from z = begin to end, with curbs between strips of different heights."""
        bands = []  # lateral position and height at both edges, normal to the right and down, slope along, part
        for strip in strips:
            strip_part = _PARTS[strip.label] if part is None else part
            bank = self._bank(strip)
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
            if strip.height == 0:
                continue
            corners = ((strip.left, 0.0), (strip.right, 0.0), (strip.right, strip.height), (strip.left, strip.height))
            vertices = [(x + lateral, -elevation - up, z, 0.0, 0.0, -facing, lateral) for lateral, up in corners]
            self._vertices.append(np.array(vertices))
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
