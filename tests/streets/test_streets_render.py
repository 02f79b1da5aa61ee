"""Guarantees of rendered scenes: reproducibility, axes, units."""

import hashlib

import numpy as np
import pytest

from taskscape.streets import GRAMMAR_VERSION, SPLITS, STYLES, render, render_many
from taskscape.streets.scene import street

SIZE = (64, 128)


def digest(array):
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()[:16]


REFERENCE = {
    (0, "train", 0): ("a4e36cbcf1816a0e", "16ad3e99587e31c3", "0df074cc6d99cd2c", "2d4971464f6952a2"),
    (0, "val", 1): ("ac39c48dd0dc482e", "6048c0da81d283ad", "629c82d33ff0f599", "f44da7e647c78d9c"),
    (0, "test", 12): ("c317d98c99549d81", "1c06efb3154dbb30", "d084af37505e65ed", "7720470c27007c92"),
    (0, "shifted", 3): ("0484b222cd1a3077", "f19f980903303589", "dde9958aa9b018fb", "2231b8db3300b0e6"),
    (7, "train", 4): ("935db51d45d8e6dd", "ee014236875ef747", "96a5511e33058d89", "64d65c66557ef7ab"),
}
"""Digests of image, classes, depth and normals."""


def test_reference_hashes():
    """A change of these bytes changes everyone's data: increment ``GRAMMAR_VERSION`` with it."""
    assert GRAMMAR_VERSION == 1
    for (seed, split, index), expected in REFERENCE.items():
        scene = render(seed, split, index, SIZE, samples=4)
        found = tuple(map(digest, (scene.image, scene.semseg, scene.depth, scene.normals)))
        assert found == expected, (seed, split, index)


PHOTOGRAPHS = {
    (0, "train", 0): ("6d79ce0afb8e4cae", "8db65cf73dddfcfb", "b46f599f1979cc65", "a5ca8cb231397c98"),
    (0, "val", 1): ("169eeb6e73744bbe", "31709d20f8f0c55b", "c04769b9c3132c46", "9b5a021fdafee62b"),
    (3, "test", 2): ("79f79dbb4e5687a7", "b4ceabb78ac86f09", "90018d2d1deb6a73", "32ef67aecc8fd04e"),
}
"""The same for the style ``photographs``."""


def test_reference_hashes_of_photographs():
    assert STYLES == {"classic": GRAMMAR_VERSION, "photographs": 2}
    for (seed, split, index), expected in PHOTOGRAPHS.items():
        scene = render(seed, split, index, SIZE, 4, "photographs")
        found = tuple(map(digest, (scene.image, scene.semseg, scene.depth, scene.normals)))
        assert found == expected, (seed, split, index)


def test_shifted_is_the_same_in_every_style():
    first, other = (render(0, "shifted", 5, SIZE, 1, style) for style in STYLES)
    for a, b in zip(first, other, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("style", STYLES)
def test_shapes_types_and_sky(style):
    scene = render(0, "train", 2, SIZE, style=style)
    assert scene.image.shape == (*SIZE, 3) and scene.image.dtype == np.uint8
    assert scene.semseg.shape == SIZE and scene.semseg.dtype == np.uint8
    assert scene.depth.shape == SIZE and scene.depth.dtype == np.float32
    assert scene.normals.shape == (*SIZE, 3) and scene.normals.dtype == np.float32
    sky = scene.semseg == 10
    assert sky.any() and not sky.all()
    np.testing.assert_array_equal(sky, scene.depth == 0)
    np.testing.assert_array_equal(sky, (scene.normals == 0).all(-1))
    np.testing.assert_allclose(np.linalg.norm(scene.normals[~sky], axis=-1), 1, atol=1e-5)


@pytest.mark.parametrize("style", STYLES)
def test_same_again_and_labels_do_not_depend_on_samples(style):
    first, again, fine = (render(1, "val", 5, SIZE, samples, style) for samples in (4, 4, 9))
    for a, b in zip(first[:4], again[:4], strict=True):
        np.testing.assert_array_equal(a, b)
    for a, b in zip(first[1:4], fine[1:4], strict=True):
        # Samples at the same places, computed differently: at edges they may occasionally fall on the other side.
        assert (a == b).mean() > 0.97
    assert first.camera == fine.camera


def test_every_scene_is_another():
    scenes = [render(seed, split, index, SIZE, 1) for seed in (0, 1) for split in SPLITS for index in (0, 1)]
    assert len({digest(scene.image) for scene in scenes}) == len(scenes)


def test_ground_normals_point_up_and_depth_grows_upwards():
    for index in range(4):
        scene = render(0, "train", index, SIZE)
        road = scene.semseg == 0
        assert np.median(scene.normals[road], axis=0) == pytest.approx((0, -1, 0), abs=0.2)
        # From the camera, the road is farther away higher up in the image.
        both = road[1:] & road[:-1]
        assert (scene.depth[:-1][both] > scene.depth[1:][both]).mean() > 0.99


def test_normals_face_the_camera():
    scene = render(0, "train", 3, SIZE)
    camera = scene.camera
    rows, columns = np.mgrid[: SIZE[0], : SIZE[1]]
    rays = np.stack([(columns - camera.cx) / camera.fx, (rows - camera.cy) / camera.fy, np.ones(SIZE)], -1)
    assert ((scene.normals * rays).sum(-1) < 1e-4).all()


def test_intrinsics_reproject_the_road_to_its_plane():
    """Points of the road near the camera, projected back into the world, lie on the road."""
    for index in range(4):
        scene, layout = render(0, "test", index, SIZE), street(0, "test", index)
        camera, view = scene.camera, layout.view
        rows, columns = np.nonzero((scene.semseg == 0) & (scene.depth < 12))
        z = scene.depth[rows, columns].astype(np.float64)
        seen = np.stack([(columns - camera.cx) / camera.fx * z, (rows - camera.cy) / camera.fy * z, z], -1)
        world = seen @ view.rotation + view.position
        expected = [-layout.road.elevation(at) for at in world[:, 2]]
        np.testing.assert_allclose(world[:, 1], expected, atol=5e-3)


def test_neighboring_depths_give_the_normals():
    """The normal of a flat patch is that of the plane through its back-projected points."""
    scene = render(0, "train", 1, SIZE)
    camera = scene.camera
    rows, columns = np.mgrid[: SIZE[0], : SIZE[1]]
    points = np.stack([(columns - camera.cx) / camera.fx, (rows - camera.cy) / camera.fy, np.ones(SIZE)], -1)
    points = points * scene.depth[..., None]
    cross = np.cross(points[1:, :-1] - points[:-1, :-1], points[:-1, 1:] - points[:-1, :-1])
    cross /= np.linalg.norm(cross, axis=-1, keepdims=True) + 1e-12
    road = (scene.semseg[1:, :-1] == 0) & (scene.semseg[:-1, :-1] == 0) & (scene.semseg[:-1, 1:] == 0)
    road &= scene.depth[:-1, :-1] < 30
    cosine = (cross * scene.normals[:-1, :-1]).sum(-1)[road]
    assert np.quantile(np.degrees(np.arccos(np.clip(cosine, -1, 1))), 0.95) < 2


def test_shifted_is_seen_from_higher_up():
    heights = {
        split: [-(s := street(0, split, i)).view.position[1] - s.road.elevation(0.0) for i in range(8)]
        for split in ("train", "shifted")
    }
    assert max(heights["train"]) < min(heights["shifted"])


def test_several_processes_give_the_same_in_order():
    indices = [4, 0, 2, 7]
    results = list(render_many(0, "val", indices, SIZE, 1, processes=2))
    assert [index for index, _ in results] == indices
    for index, scene in results:
        np.testing.assert_array_equal(scene.image, render(0, "val", index, SIZE, 1).image)


def test_arguments_of_many_scenes_are_checked_before_the_first_is_rendered():
    with pytest.raises(ValueError, match="index -1"):
        next(render_many(0, "val", [0, -1], SIZE))
    with pytest.raises(ValueError, match="0 processes"):
        next(render_many(0, "val", [0, 1], SIZE, processes=0))
    assert not list(render_many(0, "val", [], SIZE))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((0, "dev", 0), "train, val, test, shifted"),
        ((0, "train", -1), "index -1"),
        ((-1, "train", 0), "seed -1"),
        ((0, "train", 0, (0, 128)), "height"),
        ((0, "train", 0, (64, 128), 5), "1, 4, 9, 16"),
        ((0, "train", 0, (64, 128), 4, "paintings"), "classic, photographs"),
    ],
)
def test_bad_arguments(arguments, words):
    with pytest.raises(ValueError, match=words):
        render(*arguments)
