"""Inputs of ``Predictor.predict``, by one rule; the command and Python give identical results."""

import copy
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from taskscape.cli import main
from taskscape.inference import Predictor
from taskscape.inference.checks import require_images
from taskscape.inference.images import AnyImage, as_rgb
from taskscape.inference.saving import endings
from taskscape.inference.sources import name_images, require_kept, videos_among
from taskscape.modalities import Depth
from taskscape.tasks import Boundaries, SurfaceNormals
from taskscape.views import view


@pytest.fixture(scope="module")
def rgb() -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return np.random.default_rng(0).integers(0, 256, (6, 8, 3), np.uint8)


def test_every_form_of_an_image_is_the_same(rgb: np.ndarray, tmp_path: Path) -> None:  # type: ignore[type-arg]
    Image.fromarray(rgb).save(tmp_path / "image.png")
    transparent = np.concatenate([rgb, np.full((6, 8, 1), 7, np.uint8)], -1)
    channels_first = torch.from_numpy(rgb).permute(2, 0, 1)
    forms: list[AnyImage] = [
        str(tmp_path / "image.png"),
        tmp_path / "image.png",
        Image.fromarray(rgb),
        Image.fromarray(transparent),
        transparent,
        rgb / 255,
        (rgb / 255).astype(np.float32),
        channels_first,
        channels_first / 255,
    ]
    for form in forms:
        assert np.array_equal(as_rgb(form), rgb)
    gray = rgb[..., 0]
    for one in (gray, Image.fromarray(gray), gray / 255):
        assert np.array_equal(as_rgb(one), np.stack([gray] * 3, -1))
    assert as_rgb(np.array([[0.0019, 0.0021, 0.999]]))[0, :, 0].tolist() == [0, 1, 255]  # the nearest


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.full((4, 4, 3), 200.0), "divide those in 0..255 by 255"),
        (np.full((4, 4, 3), np.nan), "must not have NaN"),
        (np.zeros((4, 4, 3), np.int64), "int64: give uint8"),
        (np.zeros((4, 4, 3), np.uint16), "uint16: give uint8"),
        (np.zeros((2, 4, 4, 3), np.uint8), "one image"),
        (np.zeros((3, 5, 6), np.uint8), r"\(3, 5, 6\): give one image, \(H, W, 3\)"),
        (np.zeros((0, 4, 3), np.uint8), "no pixels"),
        (torch.zeros(4, 4, 3), r"give one image, \(3, H, W\)"),
        (torch.zeros(1, 3, 4, 4), "one image"),
        (torch.full((3, 4, 4), 255.0), "divide"),
        ("https://example.org/photo.jpg", "download"),
        (Image.new("I;16", (4, 4)), "image_range"),
        (7, "is a int: give one image, as the path of a file"),
    ],
)
def test_other_images_are_refused(image: AnyImage, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        as_rgb(image)


def test_paths_without_an_image_are_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"there is no image .*gone\.jpg"):
        as_rgb(tmp_path / "gone.jpg")
    with pytest.raises(ValueError, match="is a folder: give one image"):
        as_rgb(tmp_path)


@pytest.mark.parametrize("name", ["model.onnx", "model.pt2", "model.xml"])
def test_an_exported_network_is_no_image(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"")
    with pytest.raises(ValueError, match=r"is an exported network, not an image: .* use example\.py"):
        require_images([tmp_path / name])


def touched(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def test_links_are_called_as_they_are_and_hidden_files_are_no_images(tmp_path: Path) -> None:
    touched(tmp_path, "images/a.png", "images/._a.png", "images/.trash/b.png", "store/0f3a.png", "elsewhere/c.png")
    touched(tmp_path, "elsewhere/film.mp4", "images/.film.mp4")
    images = tmp_path / "images"
    (images / "first.png").symlink_to("../store/0f3a.png")
    (images / "second.png").symlink_to("../store/0f3a.png")
    (images / "linked").symlink_to("../elsewhere")
    (images / "up").symlink_to("..")
    (images / "gone.png").symlink_to("nowhere.png")
    with pytest.warns(UserWarning, match=r"gone\.png is left out: only"):
        assert list(name_images([images], tmp_path / "out")) == ["a", "first", "linked/c", "second"]
    assert videos_among([images], tmp_path / "out") == ([images / "linked" / "film.mp4"], [images])


def test_an_empty_folder_beside_images_is_named(tmp_path: Path) -> None:
    touched(tmp_path, "a.png")
    (tmp_path / "empty").mkdir()
    with pytest.warns(UserWarning, match=r"there is no image in .*empty$"):
        assert list(name_images([tmp_path / "empty", tmp_path / "a.png"], tmp_path / "out")) == ["a"]


def test_a_folder_of_images_that_lies_where_predictions_go(tmp_path: Path) -> None:
    touched(tmp_path, "images/a.png")
    for out in (tmp_path, tmp_path / "images"):
        for find in (name_images, videos_among):
            with pytest.raises(ValueError, match="choose another folder with --out, or name the images one by one"):
                find([tmp_path / "images"], out)
        assert list(name_images([tmp_path / "images" / "a.png"], out)) == ["a"]
    touched(tmp_path, "images/out/a.depth.png")
    assert list(name_images([tmp_path / "images"], tmp_path / "images" / "out")) == ["a"]


def test_images_whose_predictions_would_have_one_name(tmp_path: Path) -> None:
    touched(tmp_path, "a.png", "a.jpg", "a.png.jpg", "b.png")
    named = name_images([tmp_path], tmp_path / "out")
    assert sorted(path.name for path in named.values()) == ["a.jpg", "a.png", "a.png.jpg", "b.png"]


def test_names_that_differ_in_case_stay_apart_where_file_systems_ignore_case(tmp_path: Path) -> None:
    touched(tmp_path, "a.png", "A.jpg", "b.png")
    assert sorted(name_images([tmp_path], tmp_path / "out")) == ["A.jpg", "a.png", "b"]
    touched(tmp_path, "B.png")
    if len(list(tmp_path.glob("*.png"))) == 3:  # on a file system that distinguishes case
        with pytest.warns(UserWarning, match=r"(?i)b\.png and b\.png differ only in case"):
            name_images([tmp_path], tmp_path / "out")


def test_predictions_replace_no_other_image(tmp_path: Path) -> None:
    names = endings({"depth": view(Depth())}, ["depth"])
    predicted = ("depth.png", "depth-view.png", "depth.confidence.png", "depth.confidence-view.png", "side-by-side.png")
    for other in (*(f"a.{name}" for name in predicted), "a.depth.jpg", "a.b.png"):
        touched(tmp_path, "a.png", other)
        images = name_images([tmp_path / "a.png", tmp_path / other], tmp_path)
        require_kept(images, tmp_path / "out", names)
        if other in ("a.depth.jpg", "a.b.png"):
            require_kept(images, tmp_path, names)
        else:
            with pytest.raises(ValueError, match=rf"{other} would be replaced by the prediction for a\.png"):
                require_kept(images, tmp_path / "x" / "..", names)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["https://example.com/a.jpg"], "https:/example.com/a.jpg is an address: download the image"),
        (["run", "*.jpg"], "there is no image or folder *.jpg"),
        (["run", ""], "IMAGES... is empty, perhaps because a shell variable is not set"),
        (["run/best.safetensors", "a.png"], "run/best.safetensors is a run's file, not an image: name the folder run"),
    ],
)
def test_words_that_name_no_image(
    words: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    touched(tmp_path, "a.png", "run/experiment.yaml", "run/best.safetensors")
    with pytest.raises(SystemExit):
        main(["predict", *words])
    assert message in capsys.readouterr().err


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes with a name")
def test_pipes_and_links_that_lead_to_themselves_are_no_images(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    for path in (tmp_path / "pipe.png", Path(os.devnull)):
        with pytest.raises(ValueError, match="is a device or a pipe, not an image: name files and folders"):
            require_images([path])
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "loop.png").symlink_to("loop.png")
    Image.new("RGB", (4, 4)).save(tmp_path / "images" / "a.png")
    assert videos_among([tmp_path / "images"], tmp_path / "out") == ([], [tmp_path / "images"])
    with pytest.warns(UserWarning, match="no broken links"):
        assert list(name_images([tmp_path / "images"], tmp_path / "out")) == ["a"]


def test_a_predictor_of_one_s_own_has_a_view_and_the_channels_of_each_task(predictor: Predictor) -> None:
    model = predictor.model
    for height in (0, -4):
        with pytest.raises(ValueError, match=f"height is {height}: give at least 1, or None"):
            replace(predictor, height=height)
    with pytest.raises(ValueError, match=r"views has no depth: give taskscape.views.view"):
        replace(predictor, views={name: v for name, v in predictor.views.items() if name != "depth"})
    with pytest.raises(ValueError, match="confidence_views has no semseg"):
        replace(predictor, spreads={"semseg": 1.0})
    for tasks, message in (
        (dict(model.tasks, edges=Boundaries()), "task edges needs 1 channel, and the network has none"),
        (dict(model.tasks, depth=SurfaceNormals()), "task depth needs 3 channels, and the network has 1"),
    ):
        other = model._replace(experiment=replace(model.experiment, tasks=tasks))
        with pytest.raises(ValueError, match=message):
            replace(predictor, model=other)


def test_a_model_in_training_mode_does_not_predict(predictor: Predictor) -> None:
    model = predictor.model._replace(network=copy.deepcopy(predictor.model.network).train())
    with pytest.raises(ValueError, match=r"in training mode.*call network.eval\(\) before"):
        replace(predictor, model=model).predict(np.zeros((16, 24, 3), np.uint8))
