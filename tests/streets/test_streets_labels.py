"""Albedo, instances and boundaries: their meaning, and their independence of other settings."""

import numpy as np
import pytest

from taskscape.streets import SPLITS, STYLES, render
from taskscape.streets.assembly import Assembly
from taskscape.streets.classes import BUILDING, CAR, FENCE, RIDER, ROAD, SKY, THINGS, TRAIN, VEGETATION, WALL
from taskscape.streets.ground import GROUND_COUNT
from taskscape.streets.render.labels import find_boundaries
from taskscape.streets.render.raster import build_grid, visible
from taskscape.streets.scene import mesh_of, render_street, street
from taskscape.streets.shapes import HULL, PANEL
from taskscape.streets.weather import NIGHT, RAIN, SNOW, Weather, build_weather

SIZE = (64, 128)


class Forced:
    """A random generator that chooses a fixed weather, and the middle of every range."""

    def __init__(self, kind):
        self.kind = kind

    def weighted(self, options):
        return self.kind

    def uniform(self, low, high):
        return (low + high) / 2

    def random(self):
        return 0.5

    def chance(self, probability):
        return True


@pytest.fixture(scope="module")
def scenes():
    classic = [render(2, split, index, SIZE, 1) for split in SPLITS for index in range(3)]
    return classic + [render(2, "train", index, SIZE, 1, "photographs") for index in range(4)]


def test_shapes_types_and_ranges(scenes):
    for scene in scenes:
        assert scene.albedo.shape == (*SIZE, 3) and scene.albedo.dtype == np.float32
        assert scene.instances.shape == SIZE and scene.instances.dtype == np.int32
        assert scene.boundaries.shape == SIZE and scene.boundaries.dtype == np.uint8
        assert scene.albedo.min() >= 0 and scene.albedo.max() <= 1
        assert scene.instances.min() == 0
        assert set(np.unique(scene.boundaries)) == {0, 1}
        sky = scene.semseg == SKY
        assert not scene.albedo[sky].any()
        assert (scene.albedo[~sky].max(-1) > 0).mean() > 0.99


def test_same_again_for_any_number_of_samples():
    first, again, fine = (render(1, "val", 5, SIZE, samples) for samples in (1, 1, 9))
    for name in ("albedo", "instances", "boundaries"):
        a, b, c = (getattr(scene, name) for scene in (first, again, fine))
        np.testing.assert_array_equal(a, b)
        assert (a == c).mean() > 0.95, name


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("kind", [NIGHT, RAIN, SNOW])
def test_albedo_does_not_depend_on_weather(kind, style):
    here = street(0, "train", 0, style)
    other: Weather = build_weather(Forced(kind), True)
    scene, changed = (render_street(s, SIZE, 1) for s in (here, here._replace(weather=other)))
    assert (scene.image != changed.image).mean() > 0.9
    for name in ("albedo", "instances", "boundaries", "semseg", "depth"):
        np.testing.assert_array_equal(getattr(scene, name), getattr(changed, name), err_msg=name)


def test_albedo_is_the_color_that_the_street_was_built_with():
    here = street(0, "train", 0)
    scene = render_street(here, SIZE, 1)
    asphalt = scene.albedo[scene.semseg == ROAD]
    np.testing.assert_allclose(np.median(asphalt, axis=0), here.colors.road, rtol=0.35)


def test_albedo_does_not_depend_on_exposure_or_noise():
    here = street(0, "train", 0)
    exposure = here.exposure._replace(target=2 * here.exposure.target, noise=0.0)
    one, other = (render_street(s, SIZE, 1) for s in (here, here._replace(exposure=exposure)))
    assert (one.image != other.image).mean() > 0.9
    np.testing.assert_array_equal(one.albedo, other.albedo)


def test_instances_are_humans_and_vehicles(scenes):
    for scene in scenes:
        np.testing.assert_array_equal(scene.instances > 0, np.isin(scene.semseg, THINGS))
        for instance in np.unique(scene.instances[scene.instances > 0]):
            assert len(np.unique(scene.semseg[scene.instances == instance])) == 1


def test_instances_of_a_street_are_its_objects():
    here = street(0, "train", 0)
    parts, instances = here.assembly.parts(), here.assembly.instances()
    things = np.isin(parts["label"], THINGS)
    np.testing.assert_array_equal(instances > 0, things)
    assert set(instances[things]) == set(range(1, instances.max() + 1))
    for label in THINGS:
        of_class = parts["label"] == label
        objects, numbers = len(np.unique(parts["object"][of_class])), len(np.unique(instances[of_class]))
        assert objects >= numbers if label == TRAIN else objects == numbers


def test_a_train_is_one_instance_and_a_rider_not_the_bicycle():
    streets = [street(0, "train", index) for index in range(24)]
    sections = [s.assembly.parts()[s.assembly.parts()["label"] == TRAIN] for s in streets]
    with_train = [(s, p) for s, p in zip(streets, sections, strict=True) if len(p)]
    assert with_train
    sections = {len(np.unique(parts["object"])) for _, parts in with_train}
    for here, parts in with_train:
        numbers = here.assembly.instances()[here.assembly.parts()["label"] == TRAIN]
        assert len(np.unique(numbers)) <= 2 and len(parts) > 1
    assert max(sections) > 2
    ridden = 0
    for here in streets:
        parts, instances = here.assembly.parts(), here.assembly.instances()
        for rider in np.unique(instances[parts["label"] == RIDER]):
            owner = parts["object"][instances == rider][0]
            assert len(np.unique(instances[parts["object"] == owner])) == 2
            ridden += 1
    assert ridden


def boundaries_by_loop(semseg, instances):
    height, width = semseg.shape
    expected = np.zeros((height, width), np.uint8)
    for v in range(height):
        for u in range(width):
            for y, x in ((v - 1, u), (v + 1, u), (v, u - 1), (v, u + 1)):
                if 0 <= y < height and 0 <= x < width:
                    other = semseg[y, x] != semseg[v, u] or instances[y, x] != instances[v, u]
                    expected[v, u] |= other
    return expected


def test_boundaries_are_where_neighbors_differ(scenes):
    for scene in scenes[::4]:
        np.testing.assert_array_equal(scene.boundaries, boundaries_by_loop(scene.semseg, scene.instances))


def test_boundaries_by_hand():
    semseg = np.array([[SKY, SKY, SKY, SKY], [CAR, CAR, CAR, CAR], [CAR, CAR, CAR, CAR]], np.uint8)
    instances = np.array([[0, 0, 0, 0], [1, 1, 2, 2], [1, 1, 2, 2]], np.int32)
    expected = [[1, 1, 1, 1], [1, 1, 1, 1], [0, 1, 1, 0]]
    np.testing.assert_array_equal(find_boundaries(semseg, instances), expected)
    assert not find_boundaries(np.full((3, 4), WALL, np.uint8), np.zeros((3, 4), np.int32)).any()


def test_holes_count_as_the_crown_or_railing_that_has_them():
    """The image shows the scene behind a hole; class, depth and normal are those of the surface with the hole."""
    height, width = SIZE
    grid = build_grid(height, width, 1)
    holes = 0
    for index in range(6):
        here = street(1, "train", index, "photographs")
        parts, mesh = here.assembly.parts(), mesh_of(here)
        camera = here.view.intrinsics(height, width)
        found = visible(mesh, parts, here.view, camera, grid)
        scene = render_street(here, SIZE, 1)
        before = found.sheer_face >= 0
        owner = mesh.face_part[found.sheer_face[before]] - GROUND_COUNT
        assert set(parts["solid"][owner]) <= {HULL, PANEL}
        np.testing.assert_array_equal(scene.semseg[before], parts["label"][owner])
        assert set(scene.semseg[before]) <= {VEGETATION, FENCE}
        np.testing.assert_allclose(scene.depth[before], 1 / found.sheer_inverse_depth[before], rtol=1e-6)
        assert (np.linalg.norm(scene.normals[before], axis=-1) > 0.99).all()
        clear = render_street(here._replace(assembly=without_sheer(here.assembly)), SIZE, 1)
        holes += (np.abs(scene.image.astype(int) - clear.image).max(-1) < 3)[before].sum()
    assert holes > 100


def without_sheer(assembly):
    """Return an assembly without crowns and railings."""
    kept = Assembly(assembly.dice)
    parts = assembly.parts()
    kept._parts += parts[~np.isin(parts["solid"], (HULL, PANEL))].tobytes()
    kept._objects += assembly.objects().tobytes()
    return kept


def test_stuff_has_no_boundaries_within():
    """Pieces of a fence, houses in a row and trees of a forest each form one region."""
    here = street(0, "train", 0)
    parts, instances = here.assembly.parts(), here.assembly.instances()
    stuff = np.isin(parts["label"], (BUILDING, FENCE, WALL, VEGETATION))
    assert stuff.any() and not instances[stuff].any()
