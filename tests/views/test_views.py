import subprocess
import sys
from contextlib import nullcontext
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
from PIL import Image

from elevation import Elevation, ElevationView
from taskscape.modalities import MODALITIES, Albedo, Boundaries, ClassSet, Depth, Modality, Normals, Rgb, Semseg
from taskscape.views import (
    AlbedoView,
    BoundariesView,
    DepthView,
    NormalsView,
    RgbView,
    SemsegView,
    View,
    offer_view,
    view,
)
from taskscape.views.colors import ERROR, INVALID, NEUTRAL, color_table, overlay
from taskscape.views.normals import angles

PALETTE = ((1, 2, 3), (40, 50, 60), (7, 8, 9))
SEMSEG = SemsegView(Semseg(ClassSet("three", ("a", "b", "c"), PALETTE)))
DEPTH = DepthView(Depth())
NORMALS = NormalsView(Normals())
RGB = RgbView(Rgb())
BOUNDARIES = BoundariesView(Boundaries())
ALBEDO = AlbedoView(Albedo())


def normals(rng: np.random.Generator, *shape: int) -> np.ndarray:
    vectors = rng.normal(size=(*shape, 3)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def values(shown: View, *shape: int) -> np.ndarray:
    rng = np.random.default_rng(0)
    if shown is SEMSEG:
        return rng.integers(0, 3, shape, np.uint8)
    if shown is DEPTH:
        return rng.uniform(0.5, 200, shape).astype(np.float32)
    if shown is BOUNDARIES:
        return rng.integers(0, 2, shape).astype(np.float32)
    if shown is ALBEDO:
        return rng.uniform(0, 1, (*shape, 3)).astype(np.float32)
    return normals(rng, *shape) if shown is NORMALS else rng.integers(0, 256, (*shape, 3), np.uint8)


VIEWS = pytest.mark.parametrize(
    "shown", [SEMSEG, DEPTH, NORMALS, RGB, BOUNDARIES, ALBEDO], ids=lambda shown: shown.modality.name
)


# -- which view --------------------------------------------------------------------------------------------------------


def test_every_modality_of_the_package_has_the_view_in_the_file_of_its_name() -> None:
    modalities = [Semseg(SEMSEG.modality.classes) if cls is Semseg else cls() for cls in MODALITIES]
    for modality in modalities:
        shown = view(modality)
        assert shown.modality is modality
        assert type(shown).__module__.split(".")[-1] == type(modality).__module__.split(".")[-1]


def test_a_view_for_a_modality_of_ones_own() -> None:
    assert view(Elevation()) == ElevationView(Elevation())


def test_a_subclass_has_the_view_of_its_base_until_it_has_its_own() -> None:
    @dataclass(frozen=True)
    class Lidar(Depth):
        name: ClassVar[str] = "lidar"

    assert type(view(Lidar())) is DepthView

    class LidarView(DepthView):
        pass

    offer_view(Lidar, LidarView)
    assert type(view(Lidar())) is LidarView
    assert type(view(Depth())) is DepthView


def test_a_modality_without_a_view_names_the_remedy() -> None:
    class Warmth(Modality):
        unit = "kelvin"

        def check(self, values: np.ndarray) -> None: ...

        def unpack(self, stored: object) -> None: ...

    with pytest.raises(ValueError, match=r"Warmth has no view.*offer_view\(Warmth"):
        view(Warmth())


def test_views_need_no_torch() -> None:
    code = "import sys, taskscape.views; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# -- settings ----------------------------------------------------------------------------------------------------------


def test_settings_are_checked() -> None:
    assert DEPTH.with_settings({"unit": "cm", "near": 2}) == DepthView(Depth(), unit="cm", near=2.0)
    for settings, message in (
        ({"unit": "km"}, r"here.*unit.*'km' is not one of mm, cm"),
        ({"untie": "mm"}, "here has no setting 'untie'; did you mean unit?"),
        ({"modality": 1}, "no setting 'modality'"),
        ({"near": "x"}, r"here\.near.*'x'"),
    ):
        with pytest.raises(ValueError, match=message):
            DEPTH.with_settings(settings, "here")
    with pytest.raises(ValueError, match="no setting"):
        NORMALS.with_settings({"unit": "mm"})


@pytest.mark.parametrize(("near", "far"), [(5.0, 5.0), (0.0, 9.0), (9.0, 5.0)])
def test_a_depth_scale_must_have_an_order(near: float, far: float) -> None:
    with pytest.raises(ValueError, match="0 < near < far"):
        DepthView(Depth(), near=near, far=far)


@pytest.mark.parametrize("end", [0.0, -1.0, np.nan, np.inf])
@pytest.mark.parametrize("name", ["near", "far"])
def test_each_end_of_a_depth_scale_is_a_depth(name: str, end: float) -> None:
    with pytest.raises(ValueError, match=f"{name} is {end:g} m"):
        DEPTH.with_settings({name: end})


@pytest.mark.parametrize(("name", "depth"), [("near", 2.0), ("far", 50.0)])
def test_an_end_beyond_the_depths_of_an_image_is_kept(name: str, depth: float) -> None:
    fitted = DEPTH.with_settings({name: 10.0}).fit(np.full((4, 5), depth, np.float32))
    assert getattr(fitted, name) == 10.0
    assert fitted.near is not None and fitted.far is not None and 0 < fitted.near < fitted.far


# -- colors ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(4, 5), (2, 4, 5)])
def test_classes_have_exactly_their_colors(shape: tuple[int, ...]) -> None:
    ids = np.random.default_rng(0).integers(0, 3, shape, np.uint8)
    rgb = SEMSEG.colorize(ids)
    assert rgb.shape == (*shape, 3) and rgb.dtype == np.uint8
    assert (rgb == np.array(PALETTE)[ids]).all()


def test_an_id_outside_the_class_set_is_gray() -> None:
    assert (SEMSEG.colorize(np.array([[255, 3, -1]])) == INVALID).all()
    assert (SEMSEG.colorize(np.array([[0, 1]]), np.array([[False, True]])) == [[INVALID, PALETTE[1]]]).all()


def test_depth_moves_along_the_scale_by_its_logarithm() -> None:
    shown = DepthView(Depth(), near=1, far=100)
    assert (shown.colorize(np.geomspace(1, 100, 255)[None])[0] == color_table("magma_r")).all()
    assert len(np.unique(color_table("magma_r"), axis=0)) == 255  # so the color determines the order
    beyond = shown.colorize(np.array([[0.1, 1000.0]]))[0]
    assert (beyond == color_table("magma_r")[[0, -1]]).all()


def test_depth_without_a_value_is_gray() -> None:
    meters = np.array([[0.0, -1.0, np.nan, np.inf, 5.0, 7.0]])
    rgb = DEPTH.colorize(meters, np.array([[True, True, True, True, False, True]]))
    assert (rgb[0, :5] == INVALID).all() and (rgb[0, 5] != INVALID).any()
    assert (DEPTH.colorize(np.zeros((3, 4))) == INVALID).all()


def test_one_scale_for_several_maps() -> None:
    label = np.random.default_rng(0).uniform(1, 60, (2, 8, 8))
    fitted = DEPTH.fit(label)
    assert (fitted.near, fitted.far) == tuple(np.percentile(label, [2, 98]))
    other = np.full((1, 2), fitted.near)
    assert (fitted.colorize(other) == color_table("magma_r")[0]).all()
    assert fitted.fit(label * 7) == fitted
    assert DEPTH.fit(np.full((2, 2), 5.0)).far > 5.0


def test_normals_look_as_normal_maps_do() -> None:
    right, up, to_camera, down = [1, 0, 0], [0, -1, 0], [0, 0, -1], [0, 1, 0]
    rgb = NORMALS.colorize(np.array([[right, up, to_camera, down]], np.float32))
    assert rgb[0].tolist() == [[255, 128, 128], [128, 255, 128], [128, 128, 255], [128, 0, 128]]
    assert (NORMALS.colorize(np.array([[right, [np.nan] * 3]]), np.array([[False, True]])) == INVALID).all()


def test_images_are_shown_as_they_are() -> None:
    image = values(RGB, 3, 4)
    np.testing.assert_array_equal(RGB.colorize(image), image)
    np.testing.assert_array_equal(RGB.colorize(image / np.float32(255)), image)
    assert (RGB.colorize(image, np.zeros((3, 4), bool)) == INVALID).all()
    assert (RGB.colorize(image) == image).all()  # the input was not modified


def test_overlay_blends() -> None:
    image, classes = np.full((2, 2, 3), 100, np.uint8), np.full((2, 2, 3), 200, np.uint8)
    assert [overlay(image, classes, a)[0, 0, 0] for a in (0.0, 0.25, 1.0)] == [100, 125, 200]
    ids = np.zeros((2, 2), np.uint8)
    assert (SEMSEG.preview(image, ids) == overlay(image, SEMSEG.colorize(ids))).all()


# -- differences -------------------------------------------------------------------------------------------------------


@VIEWS
def test_no_difference_is_neutral_and_no_label_is_gray(shown: View) -> None:
    array, valid = values(shown, 3, 4), np.ones((3, 4), bool)
    assert (shown.difference(array, array, valid) == NEUTRAL).all()
    assert (shown.difference(array, array, ~valid) == INVALID).all()


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
@pytest.mark.parametrize("shown", [DEPTH, NORMALS, RGB, BOUNDARIES, ALBEDO], ids=lambda shown: shown.modality.name)
def test_values_that_are_not_finite_are_shown_and_scored_as_such(shown: View) -> None:
    label, valid = values(shown, 1, 3, 4).astype(np.float32), np.ones((1, 3, 4), bool)
    label[0, 0, 1] = 1.0  # a boundary
    for number in (np.nan, np.inf):
        prediction = label.copy()
        prediction[0, 0, 0] = number
        for rgb in (
            shown.colorize(prediction),
            shown.difference(label, prediction, valid),
            shown.difference(prediction, label, valid),
        ):
            assert (rgb[0, 0, 0] == INVALID).all()
        black = np.zeros((3, 4, 3), np.uint8)
        assert (shown.over(black, prediction[0])[0, 0] == overlay(black[0, 0], np.array(INVALID))).all()
    prediction[0, 0, 0] = np.nan
    assert "nan" in shown.scores(label, prediction, valid)[0]


def test_boundaries_without_a_value_in_the_label_are_not_scored() -> None:
    label, prediction = np.array([[[1.0, np.nan, 0.0]]]), np.array([[[0.9, 0.9, 0.1]]])
    assert BOUNDARIES.scores(label, prediction, np.ones((1, 1, 3), bool)) == ["F 100.0 %"]


def test_differences_have_a_direction() -> None:
    valid = np.ones((1, 2), bool)
    wrong = SEMSEG.difference(np.array([[0, 1]]), np.array([[2, 1]]), valid)
    assert wrong[0].tolist() == [list(PALETTE[2]), list(NEUTRAL)]
    near, far = DEPTH.difference(np.array([[10.0, 10.0]]), np.array([[7.0, 13.0]]), valid)[0].astype(int)
    assert near[0] > near[2] and far[2] > far[0]  # red, blue
    limits = DEPTH.difference(np.array([[10.0, 10.0]]), np.array([[1.0, 90.0]]), valid)[0]
    assert (limits == color_table("RdBu")[[0, -1]]).all()
    x, y = np.array([[[1.0, 0, 0]] * 2]), np.array([[[1.0, 0, 0], [0, 1.0, 0]]])
    assert np.allclose(angles(x, y), [[0, 90]])
    assert (NORMALS.difference(x, y, valid)[0] == [NEUTRAL, color_table(ERROR)[-1]]).all()
    black, gray = np.zeros((1, 2, 3), np.uint8), np.array([[[0] * 3, [255] * 3]], np.uint8)
    assert (RGB.difference(black, gray, valid)[0] == [NEUTRAL, color_table(ERROR)[-1]]).all()


def test_scores_are_means_over_labels() -> None:
    valid = np.array([[[True, True, True, False]], [[False] * 4]])
    ids = np.zeros((2, 1, 4), np.uint8)
    assert SEMSEG.scores(ids, np.array([[[0, 0, 1, 1]]] * 2, np.uint8), valid) == ["66.7 % correct", ""]
    depth = np.full((2, 1, 4), 10.0)
    assert DEPTH.scores(depth, depth * [1.0, 1.1, 1.2, 9.0], valid) == ["0.100 relative error", ""]
    x = np.zeros((2, 1, 4, 3))
    x[..., 0] = 1.0
    y = x.copy()
    y[0, 0, 0] = [0, 1, 0]
    assert NORMALS.scores(x, y, valid) == ["30.0° error", ""]


def test_relative_depth_is_compared_after_its_scale() -> None:
    label = np.random.default_rng(0).uniform(1, 60, (2, 4, 4))
    prediction = label * np.array([3.0, 0.25])[:, None, None]
    valid = np.ones((2, 4, 4), bool)
    valid[1] = False
    aligned = DepthView(Depth(metric=False)).align(prediction, label, valid)
    np.testing.assert_allclose(aligned[0], label[0])
    np.testing.assert_array_equal(aligned[1], prediction[1])  # without labels there is no scale
    assert DEPTH.align(prediction, label, valid) is prediction


@VIEWS
def test_legends_are_html_of_their_own(shown: View) -> None:
    array, valid = values(shown, 2, 3, 4), np.ones((2, 3, 4), bool)
    legend = shown.fit(array, valid).legend(array, array, valid)
    assert "Difference" in legend and legend.count("<p") == legend.count("</p>")
    assert shown.legend(array, array, ~valid)


def test_the_legend_names_every_class() -> None:
    classes = ClassSet("two", ("<i>road", "sky"), PALETTE[:2])
    ids = np.zeros((1, 2, 2), np.uint8)
    legend = SemsegView(Semseg(classes)).legend(ids, ids, np.ones((1, 2, 2), bool))
    assert "&lt;i&gt;road" in legend and "sky" in legend
    assert SEMSEG.classes == dict(zip("abc", PALETTE, strict=True)) and DEPTH.classes == {}


# -- files -------------------------------------------------------------------------------------------------------------


def test_files_give_the_values_back() -> None:
    ids = values(SEMSEG, 3, 4)
    encoded = SEMSEG.encode(ids)
    assert encoded.mode == "P"
    np.testing.assert_array_equal(np.asarray(encoded), ids)
    np.testing.assert_array_equal(np.asarray(encoded.convert("RGB")), np.array(PALETTE)[ids])
    vectors = values(NORMALS, 3, 4)
    np.testing.assert_allclose(np.asarray(NORMALS.encode(vectors)) / 255 * 2 - 1, vectors, atol=5e-3)
    image = values(RGB, 3, 4)
    np.testing.assert_array_equal(np.asarray(RGB.encode(image)), image)
    assert SEMSEG.metadata() == {"type": "semseg", "classes": ["a", "b", "c"]}
    assert NORMALS.metadata()["vector"] == "rgb / 255 * 2 - 1"


@pytest.mark.parametrize(("unit", "steps"), [("mm", 1000), ("cm", 100)])
def test_far_depths_are_clipped_and_centimeters_reach_farther(unit: str, steps: int) -> None:
    shown = DEPTH.with_settings({"unit": unit})
    encoded = np.asarray(shown.encode(np.array([[0.5, 65.0, 66.0, 300.0, 1e-9]], np.float32)))
    assert encoded.dtype == np.uint16
    expected = {"mm": [500, 65000, 65535, 65535, 1], "cm": [50, 6500, 6600, 30000, 1]}[unit]  # 0 means no depth
    np.testing.assert_array_equal(encoded[0], expected)
    assert shown.metadata()["meters_per_step"] == 1 / steps
    assert shown.metadata()["clipped_beyond"] == 65535 / steps


def test_the_file_of_relative_depth_claims_no_meters() -> None:
    metadata = DepthView(Depth(metric=False)).metadata()
    assert "meters_per_step" not in metadata and "unknown" in metadata["unit"]


@VIEWS
def test_files_can_be_written_as_they_say(shown: View, tmp_path) -> None:
    path = tmp_path / f"a.{shown.extension}"
    shown.encode(values(shown, 3, 4)).save(path)
    assert Image.open(path).size == (4, 3)


@pytest.mark.parametrize("wrong", [300, -1, 1.5, np.nan])
def test_ids_that_a_file_cannot_hold_are_refused(wrong: float) -> None:
    """They were written modulo 256, as other classes."""
    ids = np.array([[0, 1], [2, wrong]])
    with pytest.warns() if np.isnan(wrong) else nullcontext(), pytest.raises(ValueError, match=r"ids are .*0 … 255"):
        SEMSEG.encode(ids)
    assert np.array_equal(np.asarray(SEMSEG.encode(ids[:1])), [[0, 1]])
