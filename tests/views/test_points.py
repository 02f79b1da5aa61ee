"""Point clouds against planes and streets with exactly known geometry."""

import io

import numpy as np
import pytest
import trimesh

from taskscape.modalities import Depth, Normals, Semseg
from taskscape.modalities.class_sets import CITYSCAPES_19
from taskscape.streets import Scene, render
from taskscape.views import view
from taskscape.views.points import in_space, point_cloud

VIEWS = {"semseg": view(Semseg(CITYSCAPES_19)), "depth": view(Depth()), "normals": view(Normals())}


@pytest.fixture(scope="module")
def street() -> Scene:
    return render(3, "val", 1, (48, 96), samples=1)


def arrays(scene: Scene) -> dict[str, np.ndarray]:
    return {"semseg": scene.semseg, "depth": scene.depth, "normals": scene.normals}


@pytest.mark.parametrize("normal", [(0.0, -1.0, 0.0), (0.3, -0.5, -0.8), (0.0, 0.0, -1.0), (-0.9, 0.1, -0.4)])
def test_points_of_a_plane_lie_on_it(normal: tuple[float, float, float]) -> None:
    """The ray ((u - cx) / f, (v - cy) / f, 1) of a pixel meets the plane n · p = -d where depth is -d / (n · ray)."""
    height, width, focal, distance = 31, 44, 37.5, 2.0
    n = np.array(normal) / np.linalg.norm(normal)
    v, u = np.mgrid[:height, :width]
    rays = np.stack([(u - (width - 1) / 2) / focal, (v - (height - 1) / 2) / focal, np.ones((height, width))], -1)
    with np.errstate(divide="ignore"):
        depth = -distance / (rays @ n)
    seen = (depth > 0) & (depth < 1e3)
    assert seen.any()
    shown = np.where(seen, depth, 1).astype(np.float32)
    np.testing.assert_allclose(in_space(shown, focal)[seen] @ n, -distance, rtol=1e-4)


def test_the_flat_walls_of_a_street_are_flat(street: Scene) -> None:
    """For neighbors on one wall, the vector between their points is orthogonal to the wall's normal."""
    height, width = street.depth.shape
    assert (street.camera.cx, street.camera.cy) == ((width - 1) / 2, (height - 1) / 2)
    points = in_space(street.depth, street.camera.fx).astype(np.float64)
    flat = np.isin(street.semseg, [CITYSCAPES_19.classes.index(name) for name in ("building", "wall", "car", "truck")])
    for first, second in ((np.s_[:, :-2], np.s_[:, 2:]), (np.s_[:-2], np.s_[2:])):
        one, other = street.normals[first].astype(np.float64), street.normals[second].astype(np.float64)
        same = flat[first] & flat[second] & ((one * other).sum(-1) > 1 - 1e-6)
        between = (points[second] - points[first])[same]
        lengths = np.linalg.norm(between, axis=1)
        near = lengths < 0.05 * points[first][same][:, 2]  # not between a house and the one behind it
        assert near.sum() > 100
        away = np.abs((between * one[same]).sum(1))[near] / lengths[near]
        assert np.quantile(away, 0.9) < 2e-3


def test_a_wrong_focal_length_bends_the_walls(street: Scene) -> None:
    points = in_space(street.depth, street.camera.fx * 1.5).astype(np.float64)
    building = street.semseg == CITYSCAPES_19.classes.index("building")
    one, other = street.normals[:, :-2].astype(np.float64), street.normals[:, 2:].astype(np.float64)
    same = building[:, :-2] & building[:, 2:] & ((one * other).sum(-1) > 1 - 1e-6)
    between = (points[:, 2:] - points[:, :-2])[same]
    assert np.median(np.abs((between * one[same]).sum(1)) / np.linalg.norm(between, axis=1)) > 5e-3


def test_sky_and_what_has_no_depth_are_left_out(street: Scene) -> None:
    values = arrays(street)
    sky = values["semseg"] == CITYSCAPES_19.classes.index("sky")
    assert sky.any()
    predicted = np.where(sky, 299.0, values["depth"]).astype(np.float32)  # as networks predict the sky
    cloud = point_cloud(street.image, {**values, "depth": predicted}, VIEWS, 50.0)
    assert len(cloud) == (~sky & (predicted > 0)).sum() and cloud.points[:, 2].max() < 299
    depth_alone = {"depth": VIEWS["depth"]}
    assert (
        len(point_cloud(street.image, {"depth": predicted}, depth_alone, 50.0, farthest=299.0))
        == ((predicted > 0) & (predicted < 299)).sum()
    )
    broken = predicted.copy()
    broken[0, :4] = [np.nan, np.inf, 0, -1]
    assert np.isfinite(point_cloud(street.image, {"depth": broken}, depth_alone, 50.0).points).all()


def test_colors_are_those_of_the_image_or_of_a_task(street: Scene) -> None:
    values = arrays(street)
    shown = (values["depth"] > 0) & (values["semseg"] != CITYSCAPES_19.classes.index("sky"))
    by_image = point_cloud(street.image, values, VIEWS, 50.0)
    np.testing.assert_array_equal(by_image.colors, street.image[shown])
    by_class = point_cloud(street.image, values, VIEWS, 50.0, color="semseg")
    np.testing.assert_array_equal(by_class.colors, np.array(CITYSCAPES_19.palette)[values["semseg"][shown]])
    with pytest.raises(ValueError, match="needs depth, but the tasks are semseg"):
        point_cloud(street.image, values, {"semseg": VIEWS["semseg"]}, 50.0)


def test_a_ply_file_is_read_back_by_others(street: Scene) -> None:
    cloud = point_cloud(street.image, arrays(street), VIEWS, 50.0)
    content = bytes(cloud.ply("focal length 50 pixels, given", "two\nlines"))
    head = content[: content.index(b"end_header")].decode()
    assert head.startswith("ply\nformat binary_little_endian 1.0\ncomment unit meter\n")
    assert "comment focal length 50 pixels, given\ncomment two lines\n" in head and "x right, y down, z forward" in head
    read = trimesh.load(io.BytesIO(content), file_type="ply")
    assert isinstance(read, trimesh.PointCloud)
    np.testing.assert_array_equal(np.asarray(read.vertices, np.float32), cloud.points)
    np.testing.assert_array_equal(np.asarray(read.colors)[:, :3], cloud.colors)
    vertices = np.frombuffer(
        content[content.index(b"end_header\n") + 11 :],
        [(name, "<f4") for name in ("x", "y", "z", "nx", "ny", "nz")] + [(name, "u1") for name in "rgb"],
    )
    np.testing.assert_array_equal(np.stack([vertices[n] for n in ("nx", "ny", "nz")], -1), cloud.normals)


def test_relative_depth_has_its_own_unit(street: Scene) -> None:
    cloud = point_cloud(street.image, {"depth": street.depth}, {"depth": view(Depth(metric=False))}, 50.0)
    assert cloud.unit == "median of the image" and b"comment unit median of the image\n" in bytes(cloud.ply())
