"""Optional output files of predictions: point clouds, recordings, files for benchmarks."""

import importlib.util
import json
import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import trimesh
from PIL import ExifTags, Image

from predicting import main, make_run, rgb, three_tasks
from taskscape.data import Streets
from taskscape.inference import Predictor, load
from taskscape.inference.cameras import Lens
from taskscape.inference.outputs import CityscapesLabels, CocoPanoptic, Maps, PointClouds, Recording
from taskscape.inference.outputs.coco_panoptic import image_ids
from taskscape.inference.predict import predict
from taskscape.modalities.class_sets import CITYSCAPES_19, CITYSCAPES_RAW_IDS_OF_19
from taskscape.tasks import SurfaceNormals


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("run"), three_tasks(CITYSCAPES_19))


@pytest.fixture(scope="module")
def two_classes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("run"), three_tasks())


@pytest.fixture(scope="module")
def without_depth(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("run"), {"normals": SurfaceNormals()})


@pytest.fixture(scope="module")
def predictor(run: Path) -> Predictor:
    """Return a predictor whose experiment was trained on generated streets."""
    plain = load(run, device="cpu")
    return replace(plain, model=plain.model._replace(experiment=replace(plain.model.experiment, data=Streets())))


def photo(path: Path, film: int | None = None, size: tuple[int, int] = (50, 70)) -> Path:
    exif = Image.Exif()
    if film is not None:
        exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.FocalLengthIn35mmFilm] = film
    path.parent.mkdir(parents=True, exist_ok=True)
    rgb(*size).save(path, exif=exif)
    return path


# -- focal lengths -----------------------------------------------------------------------------------------------------


def test_focal_lengths_that_are_given_or_in_the_file(predictor: Predictor, tmp_path: Path) -> None:
    plain, film = photo(tmp_path / "plain.jpg"), photo(tmp_path / "film.jpg", film=35)
    size = (50, 70)
    assert Lens(focal=80).find(size, film, predictor).pixels == 80
    assert Lens(fov=90).find(size, film, predictor).pixels == pytest.approx(35)
    assert Lens(fov=90).find(size, film, predictor).origin.isascii()  # the header of a PLY file is
    found = Lens().find(size, film, predictor)
    assert found.pixels == pytest.approx(35 / math.hypot(36, 24) * math.hypot(*size)) and "35 mm" in found.origin
    assumed = Lens().find(size, plain, predictor)
    assert assumed.pixels == pytest.approx(35 / math.tan(math.radians(61) / 2)) and "assumed" in assumed.origin
    twice = Lens().find((100, 300), plain, predictor)  # scaled to a half for the network, as is the focal length
    assert twice.pixels == pytest.approx(2 * assumed.pixels)


def test_focal_lengths_that_are_not_known_are_asked_for_before_any_image(run: Path, tmp_path: Path) -> None:
    plain, film = photo(tmp_path / "plain.jpg"), photo(tmp_path / "film.jpg", film=35)
    with pytest.raises(ValueError, match=r"plain\.jpg is not known.*--focal in pixels, or --fov"):
        predict(load(run, device="cpu"), [film, plain], tmp_path / "out", outputs=[Maps(), PointClouds()])
    assert not list((tmp_path / "out").glob("film*"))
    predict(load(run, device="cpu"), [film], tmp_path / "out", outputs=[PointClouds()])
    assert (tmp_path / "out" / "film.ply").exists()
    (tmp_path / "cut.jpg").write_bytes(film.read_bytes()[:10])  # left out, like an image without points
    with pytest.raises(ValueError, match=r"1 of 2 images was left out"):
        predict(load(run, device="cpu"), [tmp_path / "cut.jpg", film], tmp_path / "others", outputs=[PointClouds()])
    assert (tmp_path / "others" / "film.ply").exists()
    for lens in ({"focal": 0}, {"fov": 180}, {"focal": 3, "fov": 60}):
        with pytest.raises(ValueError, match=r"focal|fov"):
            Lens(**lens)


# -- point clouds ------------------------------------------------------------------------------------------------------


def test_a_point_cloud_for_each_image(run: Path, tmp_path: Path) -> None:
    image = photo(tmp_path / "photos" / "a.png")
    notes: list[str] = []
    written = predict(
        load(run, device="cpu"),
        [image],
        tmp_path / "out",
        outputs=[PointClouds(lens=Lens(focal=60))],
        note=notes.append,
    )
    assert written == [tmp_path / "out" / "a.ply"]
    prediction = load(run, device="cpu").predict(image)
    shown = prediction["semseg"] != CITYSCAPES_19.classes.index("sky")
    v, u = np.nonzero(shown)
    z = prediction["depth"][shown]
    expected = np.stack([(u - 34.5) / 60 * z, (v - 24.5) / 60 * z, z], -1)
    read = trimesh.load(tmp_path / "out" / "a.ply")
    np.testing.assert_allclose(read.vertices, expected, rtol=1e-5)
    np.testing.assert_array_equal(np.asarray(read.colors)[:, :3], prediction.image[shown])
    assert "focal length of a: 60 pixels, given" in notes


def test_what_points_need_is_said_before_any_image(without_depth: Path, run: Path, tmp_path: Path) -> None:
    image = photo(tmp_path / "a.png")
    with pytest.raises(ValueError, match="needs a task that predicts depth, but the tasks are normals"):
        predict(
            load(without_depth, device="cpu"), [image], tmp_path / "out", outputs=[PointClouds(lens=Lens(focal=60))]
        )
    with pytest.raises(ValueError, match="needs a task that predicts depth"):
        predict(
            load(run, tasks=["normals"], device="cpu"),
            [image],
            tmp_path / "out",
            outputs=[PointClouds(lens=Lens(focal=60))],
        )
    with pytest.raises(ValueError, match="cannot be colored by 'semsge'; did you mean semseg"):
        predict(load(run, device="cpu"), [image], tmp_path / "out", outputs=[PointClouds("semsge", Lens(focal=60))])
    with pytest.raises(ValueError, match="add --point-cloud or --rerun"):
        main([str(run), str(image), "--out", str(tmp_path / "out"), "--focal", "60"])
    assert not (tmp_path / "out").exists()


# -- files for benchmarks ----------------------------------------------------------------------------------------------


def test_label_files_of_cityscapes(run: Path, tmp_path: Path) -> None:
    name = "berlin_000001_000019"
    image = photo(tmp_path / "test" / "berlin" / f"{name}_leftImg8bit.png")
    notes: list[str] = []
    (file,) = predict(
        load(run, device="cpu"), [image], tmp_path / "out", outputs=[CityscapesLabels()], note=notes.append
    )
    assert file == tmp_path / "out" / "cityscapes" / f"{name}.png"
    ids = Image.open(file)
    assert ids.mode == "L" and ids.size == (70, 50)
    expected = np.array(CITYSCAPES_RAW_IDS_OF_19)[load(run, device="cpu").predict(image)["semseg"]]
    np.testing.assert_array_equal(np.asarray(ids), expected)
    assert not any("names" in note for note in notes)
    predict(
        load(run, device="cpu"),
        [photo(tmp_path / "b.png")],
        tmp_path / "out",
        outputs=[CityscapesLabels()],
        note=notes.append,
    )
    assert any("b is not named CITY_SEQUENCE_FRAME" in note for note in notes)


@pytest.mark.parametrize("output", [CityscapesLabels(), CocoPanoptic()])
def test_images_are_not_replaced_by_files_for_a_benchmark(
    output: CityscapesLabels | CocoPanoptic, run: Path, tmp_path: Path
) -> None:
    image = photo(tmp_path / output.folder / "a_000000_000000.png")
    before = image.read_bytes()
    predictor = load(run, device="cpu")
    with pytest.raises(ValueError, match=rf"{image.name} could be replaced by a prediction, since {output.folder} is"):
        predict(predictor, image, tmp_path, outputs=[output])
    assert image.read_bytes() == before


def test_other_classes_are_refused_with_the_reason(two_classes: Path, without_depth: Path, tmp_path: Path) -> None:
    image = photo(tmp_path / "a.png")
    with pytest.raises(ValueError, match=r"need its 19 classes, but semseg has 2 \(background"):
        predict(load(two_classes, device="cpu"), [image], tmp_path / "out", outputs=[CityscapesLabels()])
    for output in (CityscapesLabels(), CocoPanoptic()):
        with pytest.raises(ValueError, match="need a task with classes, but the tasks are normals"):
            predict(load(without_depth, device="cpu"), [image], tmp_path / "out", outputs=[output])


def segments_of(folder: Path, annotation: Mapping[str, object]) -> np.ndarray:
    """Return segments as panopticapi reads them: R + 256 G + 65536 B."""
    colors = np.asarray(Image.open(folder / str(annotation["file_name"])), np.uint32)
    return colors[..., 0] + 256 * colors[..., 1] + 256**2 * colors[..., 2]


@pytest.mark.parametrize("classes", ["two", "cityscapes"])
def test_panoptic_files_are_consistent(run: Path, two_classes: Path, tmp_path: Path, classes: str) -> None:
    of = run if classes == "cityscapes" else two_classes
    images = [photo(tmp_path / "photos" / f"{name}.png", size=(40, 60)) for name in ("000000000139", "000000000285")]
    predict(load(of, device="cpu"), images, tmp_path / "out", outputs=[CocoPanoptic()])
    content = json.loads((tmp_path / "out" / "panoptic.json").read_text())
    categories = {category["id"]: category for category in content["categories"]}
    assert all(category["isthing"] == 0 for category in categories.values())
    assert {image["id"] for image in content["images"]} == {139, 285}
    predictor = load(of, device="cpu")
    names = list(predictor.views["semseg"].classes)
    for annotation, file in zip(content["annotations"], images, strict=True):
        segments = segments_of(tmp_path / "out" / "panoptic", annotation)
        ids = predictor.predict(file)["semseg"]
        listed = {segment["id"]: segment for segment in annotation["segments_info"]}
        assert set(listed) == set(np.unique(segments).tolist()) and 0 not in listed
        for number, segment in listed.items():
            mask = segments == number
            np.testing.assert_array_equal(mask, ids == names.index(categories[segment["category_id"]]["name"]))
            rows, columns = np.nonzero(mask)
            left, top, width, height = segment["bbox"]
            assert segment["area"] == mask.sum() and segment["iscrowd"] == 0
            assert (left, top) == (columns.min(), rows.min())
            assert (left + width, top + height) == (columns.max() + 1, rows.max() + 1)
    expected = CITYSCAPES_RAW_IDS_OF_19 if classes == "cityscapes" else (0, 1)
    assert tuple(categories) == tuple(expected)


def test_without_a_readable_image_an_earlier_list_of_segments_is_kept(run: Path, tmp_path: Path) -> None:
    predictor, broken = load(run, device="cpu"), tmp_path / "broken.png"
    (file,) = [
        path
        for path in predict(predictor, [photo(tmp_path / "a.png")], tmp_path / "out", outputs=[CocoPanoptic()])
        if path.suffix == ".json"
    ]
    content = file.read_text()
    broken.write_bytes(b"")
    with pytest.raises(ValueError, match=r"broken\.png is damaged"):
        predict(predictor, [broken], tmp_path / "out", outputs=[CocoPanoptic()])
    assert file.read_text() == content


def test_ids_of_images_are_those_of_their_data_sets() -> None:
    assert image_ids(["a/000000000139", "b/x"]) == {"a/000000000139": 139, "b/x": "x"}
    assert image_ids(["val/bonn/bonn_000000_000019_leftImg8bit"]) == {
        "val/bonn/bonn_000000_000019_leftImg8bit": "bonn_000000_000019"
    }
    assert image_ids(["a/x", "b/x"]) == {"a/x": "a/x", "b/x": "b/x"}


# -- recordings --------------------------------------------------------------------------------------------------------


def test_without_its_package_a_recording_is_refused(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"pip install 'taskscape\[rerun\]'"):
        predict(
            load(run, device="cpu"),
            [photo(tmp_path / "a.png")],
            tmp_path / "out",
            outputs=[Recording(lens=Lens(focal=60))],
        )


@pytest.mark.skipif(importlib.util.find_spec("rerun") is None, reason="needs the extra rerun")
def test_a_recording_has_every_image(run: Path, tmp_path: Path) -> None:
    images = [photo(tmp_path / "photos" / f"{name}.png") for name in "abc"]
    written = predict(load(run, device="cpu"), images, tmp_path / "out", outputs=[Recording(lens=Lens(focal=60))])
    assert written == [tmp_path / "out" / "recording.rrd"]
    content = written[0].read_bytes()
    assert content.startswith(b"RRF2") and not (tmp_path / "out" / "recording.rrd.part").exists()
    for entity in (b"world/camera/depth", b"world/camera/semseg", b"world/points", b"world/camera/normals"):
        assert entity in content
    (tmp_path / "photos" / "d.png").write_bytes(b"")
    with pytest.raises(ValueError, match=r"d\.png is damaged or not an image"):
        predict(
            load(run, device="cpu"),
            [tmp_path / "photos" / "d.png"],
            tmp_path / "out",
            outputs=[Recording(lens=Lens(focal=60))],
        )
    assert written[0].read_bytes() == content  # without a readable image, the earlier file is kept
