"""Large images: in blended tiles, or scaled, in bands that fit into memory."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from predicting import rgb
from taskscape.inference import Predictor, bands, load
from taskscape.inference.predict import about_sizes
from taskscape.inference.tiles import Tiles, blended

# -- blending ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("overlap", [0.0, 0.1, 0.25, 0.5, 0.75])
@pytest.mark.parametrize(("length", "side"), [(1, 8), (8, 8), (9, 8), (64, 8), (100, 33), (37, 2), (5, 1)])
def test_weights_add_up_to_one_everywhere(length: int, side: int, overlap: float) -> None:
    total = torch.zeros(length)
    placed = Tiles(overlap=overlap).along(length, side)
    for start, weights in placed:
        assert start >= 0 and start + len(weights) <= length and len(weights) == min(side, length)
        total[start : start + len(weights)] += weights
    torch.testing.assert_close(total, torch.ones(length))
    for (one, weights), (other, _) in pairwise(placed):
        assert one + len(weights) - other >= min(round(side * overlap), side - 1)


def test_weights_rise_as_a_squared_sine() -> None:
    (first, falling), (second, rising) = Tiles(overlap=0.5).along(12, 8)
    ramp = np.sin((np.arange(4) + 0.5) * np.pi / 8) ** 2
    assert (first, second) == (0, 4)
    np.testing.assert_allclose(rising, [*ramp, 1, 1, 1, 1], rtol=1e-6)
    np.testing.assert_allclose(falling, [1, 1, 1, 1, *ramp[::-1]], rtol=1e-6)


@pytest.mark.parametrize("batch", [1, 3])
def test_tiles_of_a_map_are_the_map(batch: int) -> None:
    whole = torch.randn(1, 2, 61, 83, generator=torch.Generator().manual_seed(0))
    asked: list[int] = []

    def forward(places: list[tuple[slice, slice]]) -> dict[str, torch.Tensor]:
        asked.append(len(places))
        return {"x": torch.cat([whole[:, :, rows, columns] for rows, columns in places])}

    found, next_row = [], 0
    for rows, raws in blended(forward, (61, 83), Tiles((16, 24), 0.3), batch):
        assert rows.start == next_row and raws["x"].shape == (1, 2, rows.stop - rows.start, 83)
        next_row = rows.stop
        found.append(raws["x"])
    assert next_row == 61 and max(asked) == batch
    torch.testing.assert_close(torch.cat(found, 2), whole)


def test_there_is_no_step_at_the_border_of_a_tile() -> None:
    """Tiles that differ by 1 are joined by a slope that is not steeper than the window's."""
    levels = iter(range(1000))

    def forward(places: list[tuple[slice, slice]]) -> dict[str, torch.Tensor]:
        rows, columns = places[0]
        level = float(next(levels) % 2)
        return {"depth": torch.full((1, 1, rows.stop - rows.start, columns.stop - columns.start), level)}

    tiles = Tiles((32, 32), 0.5)
    depth = torch.cat([raws["depth"] for _, raws in blended(forward, (100, 100), tiles)], 2)[0, 0]
    assert depth.max() > 0.9 and depth.min() < 0.1
    for step in (depth.diff(dim=0), depth.diff(dim=1)):
        assert step.abs().max() < 2.5 / 16


def test_settings_out_of_range_are_named() -> None:
    with pytest.raises(ValueError, match=r"overlap is 0\.9"):
        Tiles(overlap=0.9)
    with pytest.raises(ValueError, match="size"):
        Tiles((0, 5))


# -- predictions -------------------------------------------------------------------------------------------------------


def test_an_image_in_one_tile_is_predicted_in_one_piece(run: Path, predictor: Predictor) -> None:
    image = np.asarray(rgb(40, 60))
    tiles = Tiles((40, 60), anchor=False)
    plain, tiled = predictor.predict(image), load(run, tiles=tiles, device="cpu").predict(image)
    for task in plain:
        np.testing.assert_array_equal(tiled[task], plain[task])


def test_tiles_of_a_network_with_a_small_field_of_view_give_its_whole_prediction(predictor: Predictor) -> None:
    """If the network needs two pixels around each pixel, the inner pixels of all tiles agree."""
    image = np.asarray(rgb(90, 130))
    plain = predictor.predict(image)
    tiled = replace(predictor, tiles=Tiles((48, 40), 0.4, anchor=False), batch=3).predict(image)
    close = np.abs(np.log(tiled["depth"] / plain["depth"])) < 1e-4
    assert close.mean() > 0.8
    assert (tiled["semseg"] == plain["semseg"]).mean() > 0.97
    assert tiled["normals"].shape == plain["normals"].shape
    np.testing.assert_allclose(np.linalg.norm(tiled["normals"], axis=-1), 1, atol=1e-5)


def test_tiles_divide_the_scaled_image_where_a_height_is_given(run: Path) -> None:
    shapes = []
    predictor = load(run, tiles=Tiles((16, 16), anchor=False), height=24, device="cpu")
    hook = predictor.model.network.register_forward_pre_hook(lambda _, arguments: shapes.append(arguments[0].shape))
    prediction = predictor.predict(np.asarray(rgb(48, 64)))
    hook.remove()
    assert set(shapes) == {(1, 3, 16, 16)} and len(shapes) == 2 * 3  # 24x32, with 4 shared pixels
    assert prediction["depth"].shape == (48, 64)


def test_tiles_are_those_of_the_evaluation_by_default(run: Path) -> None:
    predictor = load(run, tiles=Tiles(), device="cpu")
    assert predictor.tiles is not None and predictor.tiles.size == (50, 70) and predictor.height is None


# -- bands -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(200, 150), (7, 31), (33, 40)])
def test_bands_are_the_image_at_once(size: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    raw = torch.randn(1, 3, 33, 40, generator=torch.Generator().manual_seed(0))
    monkeypatch.setattr(bands, "VALUES", 3 * 150 * 7)
    parts = [part["x"] for _, part in bands.enlarged({"x": raw}, size)]
    torch.testing.assert_close(torch.cat(parts, 2), F.interpolate(raw, size, mode="bilinear"), atol=1e-5, rtol=1e-5)
    if size[0] > 100:
        assert len(parts) > 10


@pytest.mark.parametrize("size", [(20, 30), (90, 101), (120, 60)])
def test_large_images_are_scaled_as_small_ones(size: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    image = torch.from_numpy(np.array(rgb(90, 101)))[None]
    expected = bands.scaled(image, size)
    monkeypatch.setattr(bands, "VALUES", 3 * 101 * 7)
    torch.testing.assert_close(bands.scaled(image, size), expected, atol=1e-5, rtol=1e-5)


def test_images_are_averaged_when_they_are_made_smaller() -> None:
    stripes = torch.tensor([255, 0, 0, 255], dtype=torch.uint8).repeat(16)[:, None].expand(1, 32, 64, 3)
    small = bands.scaled(stripes, (8, 16))
    torch.testing.assert_close(small[..., 1:-1], torch.full((1, 3, 8, 14), 0.5))


def test_a_prediction_in_bands_is_the_same(predictor: Predictor, monkeypatch: pytest.MonkeyPatch) -> None:
    image, scaled = np.asarray(rgb(90, 101)), replace(predictor, height=30)
    plain = scaled.predict(image)
    monkeypatch.setattr(bands, "VALUES", 3 * 101 * 7)
    banded = scaled.predict(image)
    np.testing.assert_allclose(banded["depth"], plain["depth"], rtol=1e-4)
    assert (banded["semseg"] == plain["semseg"]).mean() > 0.999
    assert banded["semseg"].dtype == np.uint8


# -- messages ----------------------------------------------------------------------------------------------------------


def test_it_is_said_how_a_large_image_was_computed(predictor: Predictor) -> None:
    scaled = replace(predictor, height=50, evaluated=(50, 70))
    sizes = {"small": (60, 80), "large": (8000, 6000)}
    (sentence,) = about_sizes(scaled, sizes)
    assert "large (8000x6000) is resized to 50x38" in sentence and "evaluated at this height; --tiles" in sentence
    (sentence,) = about_sizes(replace(scaled, tiles=Tiles((50, 70)), height=None), sizes)
    assert "2 large images, such as large (8000x6000), are computed in tiles of 50x70" in sentence
    assert not about_sizes(predictor, sizes) and not about_sizes(scaled, {"small": (60, 80)})


# -- depth of enlarged parts -------------------------------------------------------------------------------------------


def test_depth_of_a_tile_is_brought_to_that_of_the_scaled_image(run: Path) -> None:
    """Tiles whose depths are off by individual factors get the depth of the whole image."""
    task = load(run, device="cpu").model.tasks["depth"]
    whole = torch.randn(3, 1, 20, 30, generator=torch.Generator().manual_seed(0)) / 4
    meters = task.decode(whole)
    parts = task.encoding.normalize(meters * torch.tensor([0.5, 0.8, 1.3]).view(3, 1, 1, 1))
    torch.testing.assert_close(task.decode(task.match_scale(parts, whole)), meters, rtol=1e-3, atol=0)


def test_only_the_depth_of_tiles_is_anchored(predictor: Predictor) -> None:
    image = np.asarray(rgb(150, 210))
    tiled = replace(predictor, tiles=Tiles((50, 70)), evaluated=(50, 70))
    anchored = tiled.predict(image)
    free = replace(tiled, tiles=Tiles((50, 70), anchor=False)).predict(image)
    whole = replace(predictor, height=50).predict(image)
    np.testing.assert_array_equal(anchored["semseg"], free["semseg"])
    np.testing.assert_array_equal(anchored["normals"], free["normals"])
    away = [np.abs(np.log(np.median(one["depth"]) / np.median(whole["depth"]))) for one in (anchored, free)]
    assert away[0] < 0.02 and away[0] < away[1]


@pytest.mark.parametrize("size", [(20, 28), (150, 210)])
def test_the_depth_of_an_image_in_one_tile_is_anchored_too(size: tuple[int, int], predictor: Predictor) -> None:
    image = np.asarray(rgb(*size))
    tiled = replace(predictor, tiles=Tiles((160, 220)), evaluated=(50, 70)).predict(image)
    plain, whole = predictor.predict(image), replace(predictor, height=50).predict(image)
    np.testing.assert_array_equal(tiled["semseg"], plain["semseg"])
    away = [np.abs(np.log(np.median(one["depth"]) / np.median(whole["depth"]))) for one in (tiled, plain)]
    assert away[0] < 0.02 and away[0] < away[1]


def test_pictures_of_a_large_image_are_smaller(
    predictor: Predictor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prediction = predictor.predict(np.asarray(rgb(90, 131)))
    monkeypatch.setattr("taskscape.inference.prediction.PICTURE", 90 * 131 // 4)
    small = prediction.for_pictures()
    assert small.size == (30, 44) and all(array.shape[:2] == (30, 44) for array in small.values())
    np.testing.assert_array_equal(small["depth"], prediction["depth"][::3, ::3])
    prediction.save_images(tmp_path)
    assert Image.open(tmp_path / "image.depth.png").size == (131, 90)
    assert Image.open(tmp_path / "image.semseg-view.png").size[1] < 90
