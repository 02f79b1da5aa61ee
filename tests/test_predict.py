import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from blocks import SIZE
from taskscape.training import checkpoint
from taskscape.modalities.class_sets import CITYSCAPES_2
from taskscape.inference.predict import draw, name_pictures, predict, predict_picture, read_picture
from taskscape.run_folder.result import Result
from taskscape.runs.run import Trained, load
from taskscape.serialization import dump
from taskscape.tasks import SemanticSegmentation
from tiny import tiny


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run as training leaves it, with random weights."""
    folder = tmp_path_factory.mktemp("run")
    experiment = tiny(Path("nowhere"))
    tasks = replace(experiment.tasks, semseg=SemanticSegmentation(classes=CITYSCAPES_2))
    experiment = replace(experiment, tasks=tasks)
    torch.manual_seed(0)
    network = experiment.network.build({name: task.channels for name, task in tasks.by_name().items()})
    (folder / "experiment.yaml").write_text(dump(experiment))
    checkpoint.save_weights(folder / "best.safetensors", network)
    Result(split="val", images=1, size=(50, 70), metrics={}).save(folder / "result.json")
    return folder


@pytest.fixture(scope="module")
def trained(run: Path) -> Trained:
    return load(run, "cpu")


def rgb(height: int = SIZE[0], width: int = SIZE[1]) -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8))


def test_what_is_written_can_be_read_back(run: Path, trained: Trained, tmp_path: Path) -> None:
    rgb(50, 70).save(tmp_path / "a.png")
    files = predict(run, [tmp_path / "a.png"], tmp_path / "out")
    assert {file.name for file in files} == {
        "about.json", "a.semseg.png", "a.semseg-overlay.png", "a.depth.png", "a.depth-view.png",
        "a.normals.png", "a.normals-view.png", "a.side-by-side.png",
    }  # fmt: skip
    assert set(files) == set((tmp_path / "out").iterdir())
    quantities = predict_picture(trained, read_picture(tmp_path / "a.png"))
    semseg = Image.open(tmp_path / "out" / "a.semseg.png")
    assert semseg.mode == "P"
    np.testing.assert_array_equal(np.asarray(semseg), quantities["semseg"])
    palette = np.asarray(CITYSCAPES_2.palette)
    np.testing.assert_array_equal(np.asarray(semseg.convert("RGB")), palette[quantities["semseg"]])
    depth = np.asarray(Image.open(tmp_path / "out" / "a.depth.png"))
    assert depth.dtype == np.uint16
    np.testing.assert_allclose(depth / 1000, quantities["depth"].clip(0, 65.535), atol=6e-4)
    normals = np.asarray(Image.open(tmp_path / "out" / "a.normals.png"))
    np.testing.assert_allclose(normals / 255 * 2 - 1, quantities["normals"], atol=5e-3)
    assert Image.open(tmp_path / "out" / "a.side-by-side.png").size == (4 * 70, 50)
    about = json.loads((tmp_path / "out" / "about.json").read_text())
    assert about["semseg"]["classes"] == list(CITYSCAPES_2.classes)
    assert about["depth"]["metres_per_step"] == 0.001


@pytest.mark.parametrize(("unit", "steps"), [("mm", 1000), ("cm", 100)])
def test_far_depths_are_clipped_and_centimetres_reach_farther(trained: Trained, unit: str, steps: int) -> None:
    metres = np.array([[0.5, 65.0, 66.0, 300.0]], np.float32)
    files = draw({"depth": trained.tasks["depth"]}, {"depth": metres}, np.zeros((1, 4, 3), np.uint8), steps)
    expected = {"mm": [500, 65000, 65535, 65535], "cm": [50, 6500, 6600, 30000]}[unit]
    np.testing.assert_array_equal(np.asarray(files["depth"])[0], expected)


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (33, 47), (200, 3)])
@pytest.mark.parametrize("height", [None, 16])
def test_any_size(trained: Trained, size: tuple[int, int], height: int | None) -> None:
    quantities = predict_picture(trained, np.asarray(rgb(*size)), height)
    assert quantities["semseg"].shape == quantities["depth"].shape == size
    assert quantities["normals"].shape == (*size, 3)
    np.testing.assert_allclose(np.linalg.norm(quantities["normals"], axis=-1), 1, atol=1e-5)
    draw(trained.tasks, quantities, np.asarray(rgb(*size)), 1000)


def test_the_height_is_that_of_what_the_network_sees(trained: Trained) -> None:
    seen = []
    hook = trained.network.register_forward_pre_hook(lambda _, arguments: seen.append(arguments[0].shape))
    predict_picture(trained, np.asarray(rgb(20, 50)), 40)
    hook.remove()
    assert seen == [(1, 3, 40, 100)]


def test_the_height_is_that_of_training_unless_told_otherwise(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rgb(20, 30).save(tmp_path / "a.png")
    heights: list[int | None] = []

    def note(trained: Trained, image: np.ndarray, height: int | None) -> dict[str, np.ndarray]:
        heights.append(height)
        return {}

    monkeypatch.setattr("taskscape.inference.predict.predict_picture", note)
    predict(run, [tmp_path / "a.png"], tmp_path / "out")
    predict(run, [tmp_path / "a.png"], tmp_path / "out", own_size=True)
    predict(run, [tmp_path / "a.png"], tmp_path / "out", height=33)
    assert heights == [50, None, 33]
    with pytest.raises(ValueError, match="exclude each other"):
        predict(run, [tmp_path / "a.png"], tmp_path / "out", height=33, own_size=True)


def saved(image: Image.Image, path: Path, **options: object) -> Path:
    image.save(path, **options)
    return path


def test_pictures_of_all_modes(tmp_path: Path) -> None:
    color = rgb(4, 6)
    grey = np.asarray(color.convert("L"))
    three = np.repeat(grey[..., None], 3, -1)

    def read(image: Image.Image, name: str, **options: object) -> np.ndarray:
        return read_picture(saved(image, tmp_path / name, **options))

    np.testing.assert_array_equal(read(color, "rgb.png"), color)
    np.testing.assert_array_equal(read(Image.fromarray(grey), "grey.png"), three)
    np.testing.assert_array_equal(read(Image.fromarray(grey.astype(np.uint16) * 257), "deep.png"), three)
    np.testing.assert_array_equal(read(Image.fromarray(grey.astype(np.uint16) * 257), "deep.tif"), three)
    with_alpha = color.copy()
    with_alpha.putalpha(Image.fromarray(grey))
    np.testing.assert_array_equal(read(with_alpha, "rgba.png"), color)
    paletted = color.convert("P")
    np.testing.assert_array_equal(read(paletted, "p.png", transparency=b"\x00\x80"), paletted.convert("RGB"))
    np.testing.assert_array_equal(read(color.convert("1"), "1.png"), color.convert("1").convert("RGB"))
    assert read(color.convert("CMYK"), "cmyk.jpg").shape == (4, 6, 3)


def test_a_camera_held_upright_gives_an_upright_picture(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # the top is at the right
    turned = read_picture(saved(rgb(4, 6), tmp_path / "a.png", exif=exif))
    np.testing.assert_array_equal(turned, np.rot90(np.asarray(rgb(4, 6)), -1))


def test_damaged_pictures_are_named_and_the_others_done(run: Path, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    rgb().save(folder / "b-good.jpg")
    (folder / "a-cut.jpg").write_bytes((folder / "b-good.jpg").read_bytes()[:500])
    (folder / "c-empty.png").write_bytes(b"")
    (folder / "d-text.png").write_text("not a picture")
    Image.fromarray(np.zeros((3, 3), np.float32)).save(folder / "e-float.tif")
    rgb().save(folder / "f-good.png")
    told: list[tuple[int, int]] = []
    with pytest.raises(ValueError, match="4 of 6 pictures were left out") as error:
        predict(run, [folder], tmp_path / "out", report=lambda done, total: told.append((done, total)))
    assert all(name in str(error.value) for name in ("a-cut.jpg", "c-empty.png", "d-text.png", "e-float.tif"))
    assert (tmp_path / "out" / "b-good.depth.png").exists()
    assert (tmp_path / "out" / "f-good.depth.png").exists()
    assert not list((tmp_path / "out").glob("a-cut*"))
    assert told == [(i, 6) for i in range(1, 7)]


def test_names_do_not_collide(tmp_path: Path) -> None:
    for name in ("x/a.png", "y/a.png", "y/b.png", "y/b.JPG", "y/notes.txt", "out/a.semseg.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    named = name_pictures([tmp_path, tmp_path / "x" / "a.png"], tmp_path / "out")
    assert {name: file.relative_to(tmp_path.resolve()).as_posix() for name, file in named.items()} == {
        "x/a": "x/a.png", "y/a": "y/a.png", "y/b.png": "y/b.png", "y/b.JPG": "y/b.JPG",
    }  # fmt: skip
    assert list(name_pictures([tmp_path / "y" / "notes.txt"], tmp_path / "out")) == ["notes"]


def test_no_pictures(run: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="there is no picture in"):
        predict(run, [tmp_path], tmp_path / "out")
    with pytest.raises(ValueError, match="there is no picture or folder"):
        predict(run, [tmp_path / "nothing.png"], tmp_path / "out")
    with pytest.raises(ValueError, match="height is 0"):
        predict(run, [tmp_path], tmp_path / "out", height=0)


def test_nothing_half_written_stays(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rgb().save(tmp_path / "a.png")
    before = predict(run, [tmp_path / "a.png"], tmp_path / "out")
    content = {file: file.read_bytes() for file in before}

    def full(self: Path, target: Path) -> Path:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OSError, match="could not write"):
        predict(run, [tmp_path / "a.png"], tmp_path / "out")
    assert {file: file.read_bytes() for file in (tmp_path / "out").iterdir()} == content
