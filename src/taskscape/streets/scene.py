"""From (seed, split, index) to a picture with its labels."""

import operator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from taskscape.streets.camera import Camera
from taskscape.streets.dice import Dice
from taskscape.streets.layout import Street, build_street, lamp_points
from taskscape.streets.materials import CARRIAGEWAY, GRASS, JUNCTION, PAVEMENT
from taskscape.streets.render.noise import noise_table
from taskscape.streets.render.raster import build_grid, visible
from taskscape.streets.render.sensor import expose, mirror, resolve
from taskscape.streets.render.shading import shade
from taskscape.streets.render.shadow import cast
from taskscape.streets.render.textures import RoadPaint
from taskscape.streets.render.transform import Mesh, build_mesh
from taskscape.streets.road import GROUND_PARTS
from taskscape.streets.shapes import library

GRAMMAR_VERSION = 1
"""Counts up whenever the same (seed, split, index) gives another scene."""

SPLITS = ("train", "val", "test", "shifted")
"""``shifted`` has other weather, another camera height and pitch, and styles and colours that no other split has."""

_SAMPLES = {1: 1, 4: 2, 9: 3, 16: 4}


class Scene(NamedTuple):
    """A rendered street. Labels hold exactly at pixel centres."""

    image: npt.NDArray[np.uint8]
    """(H, W, 3) RGB."""
    semseg: npt.NDArray[np.uint8]
    """(H, W) Cityscapes train ids."""
    depth: npt.NDArray[np.float32]
    """(H, W) metres along the optical axis, 0 in the sky."""
    normals: npt.NDArray[np.float32]
    """(H, W, 3) unit vectors towards the camera's side in camera axes (x right, y down, z forward); 0 in the sky."""
    camera: Camera
    """Intrinsics, in pixels."""


def check_arguments(seed: int, split: str, index: int, size: tuple[int, int], samples: int) -> None:
    """Raise a ValueError that says what is wrong with these arguments and what is possible."""
    if split not in SPLITS:
        raise ValueError(f"no split {split!r}: choose one of {', '.join(SPLITS)}")
    if samples not in _SAMPLES:
        raise ValueError(f"{samples} samples per pixel are not possible: choose one of {', '.join(map(str, _SAMPLES))}")
    for name, value in (("seed", seed), ("index", index)):
        if operator.index(value) < 0:
            raise ValueError(f"{name} {value} is negative: use 0 or more")
    if len(size) != 2 or min(size) < 8 or max(size) > 8192:
        raise ValueError(f"size {size} is not possible: use (height, width), each 8 to 8192 pixels")


def street(seed: int, split: str, index: int) -> Street:
    """Return the scene of (seed, split, index) before it is rendered."""
    number = SPLITS.index(split)
    return build_street(Dice(operator.index(seed), number, operator.index(index)), split == "shifted")


def mesh_of(scene: Street) -> Mesh:
    """Return all triangles of a street."""
    assembly = scene.assembly
    return build_mesh(scene.road.ground(), len(GROUND_PARTS), assembly.parts(), assembly.objects(), library())


def _ground_looks(scene: Street) -> npt.NDArray[np.float64]:
    """Return class, material, colour, second colour and seed of the ground parts."""
    colors = scene.colors
    seed = scene.seed % 1000
    materials = (CARRIAGEWAY, JUNCTION, PAVEMENT, GRASS)
    shades = (colors.road, colors.road, colors.sidewalk, colors.grass)
    return np.array([
        (label, material, *color, 0.0, 0.0, 0.0, seed, 0.0)
        for label, material, color in zip(GROUND_PARTS, materials, shades, strict=True)
    ])  # fmt: skip


def _paint(scene: Street) -> RoadPaint:
    road = scene.road
    return RoadPaint(
        markings=np.array([(m.lateral, float(m.dashed)) for m in road.markings], np.float64).reshape(-1, 2),
        zebras=np.array(road.zebras, np.float64),
        rails=np.array([lane.lateral for lane in road.lanes if lane.rails], np.float64),
        half_road=road.half_road,
        lane_width=road.lanes[0].width,
        junction=min(road.junction, 1e6),
        half_junction=road.half_junction,
        seed=float(scene.seed % 1000),
    )


def render(seed: int, split: str, index: int, size: tuple[int, int] = (128, 256), samples: int = 4) -> Scene:
    """Return the scene of (seed, split, index), always the same.

    Args:
        seed: 0 or more. Other seeds give other data sets.
        split: one of ``SPLITS``; they share no random numbers.
        index: 0 or more, the scene's number in its split.
        size: height and width in pixels.
        samples: rays per pixel for the image, 1, 4, 9 or 16. Labels do not depend on it.
    """
    check_arguments(seed, split, index, size, samples)
    return render_street(street(seed, split, index), size, samples)


def render_street(scene: Street, size: tuple[int, int], samples: int) -> Scene:
    """Render a street."""
    height, width = size
    ground_parts = len(GROUND_PARTS)
    parts = scene.assembly.parts()
    mesh = mesh_of(scene)
    view, weather = scene.view, scene.weather
    camera = view.intrinsics(height, width)
    grid = build_grid(height, width, _SAMPLES[samples])
    inverse_depth, owner = visible(mesh, parts, ground_parts, view.rotation, view.position, camera, grid)
    shadows = cast(mesh, ground_parts, view, weather.sun, max(weather.sunlight) > 0.1)
    radiance = np.empty((grid.height, grid.width, 3), np.float32)
    normals = np.zeros((height, width, 3), np.float32)
    semseg = np.empty((height, width), np.uint8)
    depth, wet = np.zeros((height, width), np.float32), np.zeros((height, width), np.float32)
    shade(
        parts, ground_parts, mesh, view.rotation, view.position, camera, grid, inverse_depth, owner, weather,
        _paint(scene), lamp_points(scene), shadows, noise_table(), _ground_looks(scene), radiance, normals, semseg, wet,
        depth,
    )  # fmt: skip
    resolved = np.empty((height, width, 3), np.float32)
    resolve(radiance, grid, resolved)
    if weather.wetness > 0.1:
        dry = resolved
        resolved = np.empty_like(dry)
        mirror(dry, depth, normals, wet, camera, weather, resolved)
    image = np.empty((height, width, 3), np.uint8)
    expose(resolved, scene.exposure, scene.balance, scene.noise, scene.seed, image)
    return Scene(image, semseg, depth, normals, camera)
