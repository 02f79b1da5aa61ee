import numpy as np
import pytest

from taskscape.views.pictures import (
    INVALID,
    NEUTRAL,
    angles,
    color_table,
    difference_classes,
    difference_depth,
    difference_directions,
    overlay,
    paint_classes,
    paint_depth,
    paint_directions,
)

PALETTE = [(1, 2, 3), (40, 50, 60), (7, 8, 9)]


@pytest.mark.parametrize("shape", [(4, 5), (2, 4, 5)])
def test_classes_have_exactly_their_colours(shape: tuple[int, ...]) -> None:
    ids = np.random.default_rng(0).integers(0, 3, shape, np.uint8)
    rgb = paint_classes(ids, PALETTE)
    assert rgb.shape == (*shape, 3) and rgb.dtype == np.uint8
    assert (rgb == np.array(PALETTE)[ids]).all()


def test_what_is_no_class_is_grey() -> None:
    assert (paint_classes(np.array([[255, 3, -1]]), PALETTE) == INVALID).all()
    assert (paint_classes(np.array([[0, 1]]), PALETTE, np.array([[False, True]])) == [[INVALID, PALETTE[1]]]).all()


def test_depth_moves_along_the_map_by_its_logarithm() -> None:
    metres = np.geomspace(1, 100, 255)[None]
    assert (paint_depth(metres, near=1, far=100)[0] == color_table("magma_r")).all()
    assert len(np.unique(color_table("magma_r"), axis=0)) == 255  # so that order can be read from the colour
    beyond = paint_depth(np.array([[0.1, 1000.0]]), near=1, far=100)[0]
    assert (beyond == color_table("magma_r")[[0, -1]]).all()


def test_depth_without_a_value_is_grey() -> None:
    metres = np.array([[0.0, -1.0, np.nan, np.inf, 5.0, 7.0]])
    rgb = paint_depth(metres, np.array([[True, True, True, True, False, True]]))
    assert (rgb[0, :5] == INVALID).all() and (rgb[0, 5] != INVALID).any()
    assert (paint_depth(np.zeros((3, 4))) == INVALID).all()


@pytest.mark.parametrize(("near", "far"), [(5.0, 5.0), (0.0, 9.0), (9.0, 5.0)])
def test_a_depth_scale_must_have_an_order(near: float, far: float) -> None:
    with pytest.raises(ValueError, match="0 < near < far"):
        paint_depth(np.ones((2, 2)), near=near, far=far)


def test_directions_look_as_normal_maps_do() -> None:
    right, up, to_camera, down = [1, 0, 0], [0, -1, 0], [0, 0, -1], [0, 1, 0]
    rgb = paint_directions(np.array([[right, up, to_camera, down]], np.float32))
    assert rgb[0].tolist() == [[255, 128, 128], [128, 255, 128], [128, 128, 255], [128, 0, 128]]
    assert (paint_directions(np.array([[right, [np.nan] * 3]]), np.array([[False, True]])) == INVALID).all()


def test_overlay_mixes() -> None:
    image, classes = np.full((2, 2, 3), 100, np.uint8), np.full((2, 2, 3), 200, np.uint8)
    assert [overlay(image, classes, a)[0, 0, 0] for a in (0.0, 0.25, 1.0)] == [100, 125, 200]


def test_no_difference_is_neutral_in_every_task() -> None:
    rng = np.random.default_rng(0)
    valid = np.ones((3, 4), bool)
    ids, metres = rng.integers(0, 3, (3, 4)), rng.uniform(0.5, 200, (3, 4)).astype(np.float32)
    normals = rng.normal(size=(3, 4, 3)).astype(np.float32)
    normals /= np.linalg.norm(normals, axis=-1, keepdims=True)
    for rgb in (
        difference_classes(ids, ids, valid, PALETTE),
        difference_depth(metres, metres, valid),
        difference_directions(normals, normals, valid),
    ):
        assert (rgb == NEUTRAL).all()
    for rgb in (
        difference_classes(ids, ids, ~valid, PALETTE),
        difference_depth(metres, metres, ~valid),
        difference_directions(normals, normals, ~valid),
    ):
        assert (rgb == INVALID).all()


def test_differences_show_which_way() -> None:
    valid = np.ones((1, 2), bool)
    wrong = difference_classes(np.array([[0, 1]]), np.array([[2, 1]]), valid, PALETTE)
    assert wrong[0].tolist() == [list(PALETTE[2]), list(NEUTRAL)]
    near, far = difference_depth(np.array([[10.0, 10.0]]), np.array([[7.0, 13.0]]), valid)[0].astype(int)
    assert near[0] > near[2] and far[2] > far[0]  # red, blue
    limits = difference_depth(np.array([[10.0, 10.0]]), np.array([[1.0, 90.0]]), valid)[0]
    assert (limits == color_table("RdBu")[[0, -1]]).all()
    x, y = np.array([[[1.0, 0, 0]] * 2]), np.array([[[1.0, 0, 0], [0, 1.0, 0]]])
    assert np.allclose(angles(x, y), [[0, 90]])
    assert (difference_directions(x, y, valid)[0] == [NEUTRAL, color_table("angle")[-1]]).all()
