"""Rendering of the scene of (seed, split, index) to an image and its labels."""

import operator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from taskscape.streets.camera import Camera
from taskscape.streets.dice import Dice
from taskscape.streets.ground import GROUND_PARTS, build_ground
from taskscape.streets.layout import build_street
from taskscape.streets.materials import TARMAC
from taskscape.streets.photographs.layout import build_photograph
from taskscape.streets.render.labels import find_boundaries, read_labels
from taskscape.streets.render.noise import noise_table
from taskscape.streets.render.raster import build_grid, visible
from taskscape.streets.render.sensor import expose, mirror, resolve
from taskscape.streets.render.shading import empty_frame, shade
from taskscape.streets.render.shadow import cast
from taskscape.streets.render.spot import RoadPaint
from taskscape.streets.render.transform import Mesh, build_mesh
from taskscape.streets.render.world import World
from taskscape.streets.shapes import library
from taskscape.streets.street import Street

GRAMMAR_VERSION = 1
"""Version that increases whenever the scene of the same (seed, split, index) changes."""

SPLITS = ("train", "val", "test", "shifted")
"""The splits. ``shifted`` has weather, camera heights and pitches, styles and colors that no other split has."""

STYLES = {"classic": GRAMMAR_VERSION, "photographs": 2}
"""The styles of streets, each with a version that increases whenever the scene of a (seed, split, index) changes.

``photographs`` are towns as seen by a car's camera, see ``streets/photographs``. The split ``shifted`` is the same in
both styles.
"""

_SAMPLES = {1: 1, 4: 2, 9: 3, 16: 4}


class Scene(NamedTuple):
    """A rendered street. Labels are computed at pixel centers and are nearly independent of the number of samples."""

    image: npt.NDArray[np.uint8]
    """(H, W, 3) RGB."""
    semseg: npt.NDArray[np.uint8]
    """(H, W) Cityscapes train ids."""
    depth: npt.NDArray[np.float32]
    """(H, W) meters along the optical axis, 0 in the sky."""
    normals: npt.NDArray[np.float32]
    """(H, W, 3) unit vectors towards the camera's side in camera axes (x right, y down, z forward); 0 in the sky."""
    albedo: npt.NDArray[np.float32]
    """(H, W, 3) RGB in 0..1, linear (no gamma): the share of light that the surface itself reflects.

    It shows paint and texture by day, independent of light, weather (no snow, no water) and camera; lamps have the
    color of their glass, and panes are nearly black. It is 0 in the sky, where it is invalid; it is valid where
    ``depth > 0``.
    """
    instances: npt.NDArray[np.int32]
    """(H, W) 1, 2, … for each human and vehicle, the classes that Cityscapes labels by instance; 0 elsewhere.

    A rider and the bicycle are two instances, the sections of a train are one. Instances are numbered per street, and
    some may be hidden in the image.
    """
    boundaries: npt.NDArray[np.uint8]
    """(H, W) 1 where the class or instance differs from that of the pixel above, below, left or right; 0 elsewhere.

    These are the instance-sensitive semantic edges of Cityscapes and SBD, which include edges between two cars and at
    the sky, but not between two houses or at folds and textures. Both sides are marked, so lines are two pixels thick.
    Valid everywhere.
    """
    camera: Camera
    """Intrinsics, in pixels."""


def check_arguments(
    seed: int, split: str, index: int, size: tuple[int, int], samples: int, style: str = "classic"
) -> None:
    """Raise ``ValueError`` with the remedy for invalid arguments."""
    if split not in SPLITS:
        raise ValueError(f"no split {split!r}: choose one of {', '.join(SPLITS)}")
    if style not in STYLES:
        raise ValueError(f"no style {style!r}: choose one of {', '.join(STYLES)}")
    if samples not in _SAMPLES:
        raise ValueError(f"{samples} samples per pixel are not possible: choose one of {', '.join(map(str, _SAMPLES))}")
    for name, value in (("seed", seed), ("index", index)):
        if operator.index(value) < 0:
            raise ValueError(f"{name} {value} is negative: use 0 or more")
    if len(size) != 2 or min(size) < 8 or max(size) > 8192:
        raise ValueError(f"size {size} is not possible: use (height, width), each 8 to 8192 pixels")


def street(seed: int, split: str, index: int, style: str = "classic") -> Street:
    """Return the scene of (seed, split, index) before rendering."""
    number = SPLITS.index(split)
    if style == "photographs" and split != "shifted":
        return build_photograph(Dice(operator.index(seed), number, operator.index(index), 1))
    return build_street(Dice(operator.index(seed), number, operator.index(index)), split == "shifted")


def mesh_of(scene: Street) -> Mesh:
    """Return all triangles of a street."""
    assembly = scene.assembly
    return build_mesh(build_ground(scene.road), assembly.parts(), assembly.objects(), library())


def _ground_looks(scene: Street) -> npt.NDArray[np.float64]:
    """Return the class, material, color and seed of each ground part."""
    colors = scene.colors
    shades = (colors.road, colors.road, colors.sidewalk, colors.grass)
    looks = zip(GROUND_PARTS, colors.materials, shades, strict=True)
    return np.array([(label, material, *color, scene.seed % 1000) for label, material, color in looks])


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


def _world(scene: Street) -> World:
    mesh, paint = mesh_of(scene), _paint(scene)
    parts = scene.assembly.parts()
    return World(
        mesh=mesh,
        ground_looks=_ground_looks(scene),
        parts=parts,
        paint=paint,
        weather=scene.weather,
        lamps=np.array(scene.lamps, np.float64).reshape(-1, 3),
        shadows=cast(mesh, parts, scene.view, scene.weather),
        noise=noise_table(),
        drift=paint.seed * 0.37,
    )


def _labels_of_parts(scene: Street) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int32]]:
    """Return the class and instance of each part, starting with the ground."""
    ground = np.array(GROUND_PARTS, np.uint8)
    return (
        np.concatenate([ground, scene.assembly.parts()["label"].astype(np.uint8)]),
        np.concatenate([np.zeros(len(ground), np.int32), scene.assembly.instances()]),
    )


def render(
    seed: int,
    split: str,
    index: int,
    size: tuple[int, int] = (128, 256),
    samples: int = 4,
    style: str = "classic",
) -> Scene:
    """Render the scene of (seed, split, index), which is always the same.

    Args:
        seed: 0 or more. Different seeds give different data sets.
        split: One of ``SPLITS``, which share no random numbers.
        index: 0 or more, the number of the scene in its split.
        size: Height and width in pixels.
        samples: Rays per pixel for the image: 1, 4, 9 or 16. Labels are always computed at pixel centers.
        style: One of ``STYLES``.
    """
    check_arguments(seed, split, index, size, samples, style)
    return render_street(street(seed, split, index, style), size, samples)


def render_street(scene: Street, size: tuple[int, int], samples: int) -> Scene:
    """Render a street."""
    height, width = size
    view, weather = scene.view, scene.weather
    camera = view.intrinsics(height, width)
    grid = build_grid(height, width, _SAMPLES[samples])
    world = _world(scene)
    surfaces = visible(world.mesh, world.parts, view, camera, grid)
    labels = read_labels(surfaces, grid, world.mesh.face_part, *_labels_of_parts(scene))
    frame = empty_frame(grid)
    has_town_materials = max(world.parts["texture"].max(initial=0), *scene.colors.materials) >= TARMAC
    shade(world, view, camera, grid, surfaces, frame, 0 if has_town_materials else None)
    resolved = resolve(frame.radiance, grid)
    if weather.wetness > 0.1:
        dry = resolved
        resolved = np.empty_like(dry)
        mirror(dry, labels.depth, frame.normals, frame.wetness, camera, weather, resolved)
    return Scene(
        image=expose(resolved, scene.exposure, scene.seed),
        semseg=labels.semseg,
        depth=labels.depth,
        normals=frame.normals,
        albedo=frame.albedo,
        instances=labels.instances,
        boundaries=find_boundaries(labels.semseg, labels.instances),
        camera=camera,
    )
