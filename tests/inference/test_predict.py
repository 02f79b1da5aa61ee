import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from blocks import SIZE
from elevation import PredictElevation
from predicting import main, make_run, rgb
from taskscape.inference import Predictor, load
from taskscape.inference.predict import predict
from taskscape.inference.sources import name_images
from taskscape.modalities import Depth
from taskscape.modalities.class_sets import CITYSCAPES_2
from taskscape.run_folder import RunFolder
from taskscape.views import view

# -- in Python ---------------------------------------------------------------------------------------------------------


def test_a_prediction_is_an_array_per_task(run: Path, tmp_path: Path) -> None:
    rgb(50, 70).save(tmp_path / "photo.png")
    prediction = load(run).predict(tmp_path / "photo.png")
    assert list(prediction) == ["semseg", "depth", "normals"]
    assert prediction["semseg"].dtype == np.uint8 and prediction["semseg"].max() < 2
    assert prediction["depth"].dtype == np.float32 and prediction["depth"].min() > 0
    np.testing.assert_allclose(np.linalg.norm(prediction["normals"], axis=-1), 1, atol=1e-5)
    assert "semseg: uint8 (50, 70)" in repr(prediction) and "photo" in repr(prediction)
    with pytest.raises(KeyError):
        prediction["edges"]


def test_a_path_a_text_and_an_array_give_the_same(predictor: Predictor, tmp_path: Path) -> None:
    path = tmp_path / "photo.png"
    rgb().save(path)
    first, *others = [predictor.predict(image) for image in (path, str(path), np.asarray(rgb()))]
    for other in others:
        for task in first:
            np.testing.assert_array_equal(first[task], other[task])
    for image in (np.zeros((4, 6, 3), np.int64), np.full((4, 6, 3), 255.0), np.zeros((1, 4, 6, 3), np.uint8)):
        with pytest.raises(ValueError, match=r"give uint8|divide|give one image"):
            predictor.predict(image)
    with pytest.raises(FileNotFoundError, match=r"nothing\.png"):
        predictor.predict("nothing.png")


def test_the_command_and_python_have_the_same_defaults(run: Path, tmp_path: Path) -> None:
    path = tmp_path / "large.png"
    Image.effect_noise((3 * SIZE[1], 2 * SIZE[0]), 80).convert("RGB").save(path)
    load(run).predict(path).save(tmp_path / "python")
    main([str(run), str(path), "--out", str(tmp_path / "command")])
    files = sorted(file.name for file in (tmp_path / "command").iterdir())
    assert len(files) > 3
    for name in files:
        assert (tmp_path / "command" / name).read_bytes() == (tmp_path / "python" / name).read_bytes(), name


def test_a_prediction_can_be_shown_without_a_display(predictor: Predictor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("PIL.ImageShow._viewers", [])
    prediction = predictor.predict(np.asarray(rgb()))
    prediction.show()
    width, height = prediction.side_by_side().size
    assert width > 4 * SIZE[1] and height > SIZE[0]  # with captions and legends
    assert prediction._repr_png_().startswith(b"\x89PNG")


def test_a_prediction_saves_what_the_command_writes(run: Path, tmp_path: Path) -> None:
    rgb().save(tmp_path / "a.png")
    saved = load(run, device="cpu").predict(tmp_path / "a.png").save(tmp_path / "saved")
    written = predict(load(run, device="cpu"), [tmp_path / "a.png"], tmp_path / "written")
    assert [file.name for file in saved] == [file.name for file in written]
    for one, other in zip(saved, written, strict=True):
        assert one.read_bytes() == other.read_bytes()


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (33, 47), (200, 3)])
@pytest.mark.parametrize("height", [None, 16])
def test_any_size(predictor: Predictor, size: tuple[int, int], height: int | None, tmp_path: Path) -> None:
    prediction = replace(predictor, height=height).predict(np.asarray(rgb(*size)))
    assert prediction["semseg"].shape == prediction["depth"].shape == size
    assert prediction["normals"].shape == (*size, 3)
    np.testing.assert_allclose(np.linalg.norm(prediction["normals"], axis=-1), 1, atol=1e-5)
    prediction.save(tmp_path)


def test_the_network_gets_images_of_the_height(predictor: Predictor) -> None:
    shapes = []
    hook = predictor.model.network.register_forward_pre_hook(lambda _, arguments: shapes.append(arguments[0].shape))
    replace(predictor, height=40).predict(np.asarray(rgb(20, 50)))
    hook.remove()
    assert shapes == [(1, 3, 40, 100)]


def test_the_height_is_that_of_the_evaluation_unless_told_otherwise(run: Path) -> None:
    assert load(run).height == 50
    assert load(run, native_resolution=True).height is None
    assert load(run, height=33).height == 33
    with pytest.raises(ValueError, match="exclude each other"):
        load(run, height=33, native_resolution=True)
    with pytest.raises(ValueError, match="height is 0"):
        load(run, height=0)


def test_test_time_augmentation_is_the_mean_with_the_mirror_image(predictor: Predictor) -> None:
    image = np.asarray(rgb())
    model = predictor.model
    tensor = torch.tensor(image).permute(2, 0, 1)[None] / 255
    plain, mirrored = model.forward(tensor).final, model.forward(tensor.flip(-1)).final
    prediction = replace(predictor, tta=True).predict(image)
    for name, task in model.tasks.items():
        raw = task.merge([plain[name], task.hflip(mirrored[name])], "mean")
        np.testing.assert_array_equal(prediction[name], task.modality.to_array(task.decode(raw))[0])
    flipped = replace(predictor, tta=True).predict(image[:, ::-1].copy())
    np.testing.assert_allclose(flipped["depth"][:, ::-1], prediction["depth"], rtol=1e-4)
    np.testing.assert_allclose(flipped["normals"][:, ::-1] * [-1, 1, 1], prediction["normals"], atol=1e-4)


def test_outputs_that_are_not_finite_are_refused(run: Path) -> None:
    """Decoding would make a class of them, and a distance."""
    broken = load(run, native_resolution=True, device="cpu")
    with torch.no_grad():
        next(iter(broken.model.network.parameters())).fill_(torch.inf)
    with pytest.raises(ValueError, match=r"outputs NaN or infinity for semseg, depth, normals: .*--optimizer\.lr"):
        broken.predict(np.asarray(rgb()))


# -- files -------------------------------------------------------------------------------------------------------------


def test_what_is_written_can_be_read_back(run: Path, predictor: Predictor, tmp_path: Path) -> None:
    rgb(50, 70).save(tmp_path / "a.png")
    files = predict(load(run, device="cpu"), [tmp_path / "a.png"], tmp_path / "out")
    assert {file.name for file in files} == {
        "metadata.json", "a.semseg.png", "a.semseg-view.png", "a.depth.png", "a.depth-view.png",
        "a.normals.png", "a.normals-view.png", "a.side-by-side.png",
    }  # fmt: skip
    assert set(files) == set((tmp_path / "out").iterdir())
    prediction = predictor.predict(tmp_path / "a.png")
    semseg = Image.open(tmp_path / "out" / "a.semseg.png")
    assert semseg.mode == "P"
    np.testing.assert_array_equal(np.asarray(semseg), prediction["semseg"])
    palette = np.asarray(CITYSCAPES_2.palette)
    np.testing.assert_array_equal(np.asarray(semseg.convert("RGB")), palette[prediction["semseg"]])
    depth = np.asarray(Image.open(tmp_path / "out" / "a.depth.png"))
    assert depth.dtype == np.uint16
    np.testing.assert_allclose(depth / 100, prediction["depth"], atol=6e-3)  # streets reach 300 m
    normals = np.asarray(Image.open(tmp_path / "out" / "a.normals.png"))
    np.testing.assert_allclose(normals / 255 * 2 - 1, prediction["normals"], atol=5e-3)
    shown = np.asarray(Image.open(tmp_path / "out" / "a.depth-view.png"))
    np.testing.assert_array_equal(shown[:50, :70], np.asarray(prediction.previews()["depth"]))
    assert len(shown) > 50  # the legend is below
    metadata = json.loads((tmp_path / "out" / "metadata.json").read_text())
    assert metadata["semseg"]["classes"] == list(CITYSCAPES_2.classes)
    assert metadata["depth"]["meters_per_step"] == 0.01
    about = json.loads(Image.open(tmp_path / "out" / "a.depth.png").text["Description"])
    assert about == metadata["depth"] and about["clipped_beyond"] >= prediction["depth"].max()


def test_settings_of_views(run: Path, tmp_path: Path) -> None:
    rgb().save(tmp_path / "a.png")
    depths = {}
    for unit in ("mm", "cm"):
        main([str(run), str(tmp_path / "a.png"), "--out", str(tmp_path / unit), "--view", f"depth.unit={unit}"])
        depths[unit] = np.asarray(Image.open(tmp_path / unit / "a.depth.png")).astype(float)
        assert json.loads((tmp_path / unit / "metadata.json").read_text())["depth"]["meters_per_step"] == {
            "mm": 0.001, "cm": 0.01
        }[unit]  # fmt: skip
    near = depths["mm"] < 65535
    np.testing.assert_allclose(depths["mm"][near] / 1000, depths["cm"][near] / 100, atol=6e-3)
    for setting, message in (
        ("depth.unit=km", "not one of mm, cm"),
        ("depht.unit=mm", "has no task 'depht'; did you mean depth"),
        ("depth.unit=[", "is no value: write a number or a word"),
        ("depth.steps=3", "depth has no setting 'steps'"),
        ("unit", "is not TASK.SETTING=VALUE"),
        ("unit=mm", "is not TASK.SETTING=VALUE"),
    ):
        with pytest.raises(ValueError, match=message):
            main([str(run), str(tmp_path / "a.png"), "--out", str(tmp_path / "out"), "--view", setting])


def test_a_set_of_images_has_one_color_scale_that_the_metadata_says(run: Path, tmp_path: Path) -> None:
    for name, level in (("a", 40), ("b", 250)):
        Image.fromarray(np.full((50, 70, 3), level, np.uint8)).save(tmp_path / f"{name}.png")
    out = tmp_path / "out"
    predict(load(run, device="cpu"), [tmp_path / "a.png", tmp_path / "b.png"], out)
    scale = json.loads((out / "metadata.json").read_text())["depth"]["colors_of_views"]
    shown = load(run, view_settings={"depth": {"near": scale["near"], "far": scale["far"]}})
    for name in "ab":
        expected = shown.predict(tmp_path / f"{name}.png").previews()["depth"]
        image = np.asarray(Image.open(out / f"{name}.depth-view.png"))
        np.testing.assert_array_equal(image[:50, :70], np.asarray(expected))


def test_the_color_scale_is_that_of_the_report(run: Path, tmp_path: Path) -> None:
    shutil.copytree(run, tmp_path / "run")
    label = np.geomspace(2, 40, 12, dtype=np.float32).reshape(1, 3, 4)
    samples = RunFolder(tmp_path / "run").samples()
    np.savez(samples, **{"depth/label": label, "depth/valid": label > 0})
    expected = view(Depth()).fit(label, label > 0)
    shown = load(tmp_path / "run").views["depth"]
    assert (shown.near, shown.far) == (expected.near, expected.far)


def test_values_beyond_the_file_are_said_once(run: Path, tmp_path: Path) -> None:
    for name in "ab":
        rgb().save(tmp_path / f"{name}.png")
    predictor = load(run, view_settings={"depth": {"unit": "mm"}})
    prediction = predictor.predict(tmp_path / "a.png")
    far = np.full_like(prediction["depth"], 70.0)
    far[0] = 65.0
    prediction = replace(prediction, arrays={**prediction.arrays, "depth": far})
    assert prediction.beyond_file() == {"depth": 1 - 1 / len(far)}
    with pytest.warns(UserWarning, match=r"depth: in 1 image, such as a \(.* % .*leave out the unit"):
        prediction.save(tmp_path / "out")
    assert not replace(prediction, views=load(run).views).beyond_file()


def test_damaged_images_are_named_and_the_others_done(run: Path, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    rgb().save(folder / "b-good.jpg")
    (folder / "a-cut.jpg").write_bytes((folder / "b-good.jpg").read_bytes()[:500])
    (folder / "c-empty.png").write_bytes(b"")
    (folder / "d-text.png").write_text("not an image")
    Image.fromarray(np.zeros((3, 3), np.float32)).save(folder / "e-float.tif")
    rgb().save(folder / "f-good.png")
    calls: list[tuple[int, int]] = []
    with pytest.raises(ValueError, match="4 of 6 images were left out") as error:
        predict(
            load(run, device="cpu"),
            [folder],
            tmp_path / "out",
            progress=lambda done, total: calls.append((done, total)),
        )
    assert all(name in str(error.value) for name in ("a-cut.jpg", "c-empty.png", "d-text.png", "e-float.tif"))
    assert (tmp_path / "out" / "b-good.depth.png").exists()
    assert (tmp_path / "out" / "f-good.depth.png").exists()
    assert not list((tmp_path / "out").glob("a-cut*"))
    assert calls == [(i, 6) for i in range(1, 7)]


def test_names_do_not_collide(tmp_path: Path) -> None:
    for name in ("x/a.png", "y/a.png", "y/b.png", "y/b.JPG", "y/notes.txt", "out/a.semseg.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    named = name_images([tmp_path, tmp_path / "x" / "a.png"], tmp_path / "out")
    assert {name: file.relative_to(tmp_path.resolve()).as_posix() for name, file in named.items()} == {
        "x/a": "x/a.png", "y/a": "y/a.png", "y/b.png": "y/b.png", "y/b.JPG": "y/b.JPG",
    }  # fmt: skip
    assert list(name_images([tmp_path / "y" / "notes.txt"], tmp_path / "out")) == ["notes"]


def test_no_images(run: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="there is no image in"):
        predict(load(run, device="cpu"), [tmp_path], tmp_path / "out")
    with pytest.raises(ValueError, match="there is no image or folder"):
        predict(load(run, device="cpu"), [tmp_path / "nothing.png"], tmp_path / "out")


def test_nothing_half_written_stays(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rgb().save(tmp_path / "a.png")
    before = predict(load(run, device="cpu"), [tmp_path / "a.png"], tmp_path / "out")
    content = {file: file.read_bytes() for file in before}

    def full(self: Path, target: Path) -> Path:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OSError, match="could not write"):
        predict(load(run, device="cpu"), [tmp_path / "a.png"], tmp_path / "out")
    assert {file: file.read_bytes() for file in (tmp_path / "out").iterdir()} == content


# -- a user's own task -------------------------------------------------------------------------------------------------


@pytest.fixture
def elevation_run(tmp_path: Path) -> Path:
    (tmp_path / "run").mkdir()
    return make_run(tmp_path / "run", {"height": PredictElevation()})


def test_a_view_of_ones_own_writes_its_files(elevation_run: Path, tmp_path: Path) -> None:
    rgb(50, 70).save(tmp_path / "a.png")
    files = predict(
        load(elevation_run, view_settings={"height": {"top": 0.5}}, device="cpu"),
        [tmp_path / "a.png"],
        tmp_path / "out",
    )
    assert [f.name for f in files] == ["metadata.json", "a.height.tif", "a.height-view.png", "a.side-by-side.png"]
    prediction = load(elevation_run).predict(tmp_path / "a.png")
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "out" / "a.height.tif")), prediction["height"])
    gray = (prediction["height"] / 0.5 * 255).clip(0, 255).astype(np.uint8)
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "out" / "a.height-view.png"))[..., 0], gray)
    assert json.loads((tmp_path / "out" / "metadata.json").read_text()) == {
        "height": {"type": "elevation", "unit": "meter"}
    }


def test_a_modality_without_a_view_is_named(
    elevation_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("taskscape.views._VIEWS", {})
    with pytest.raises(ValueError, match=r"Elevation has no view.*offer_view"):
        load(elevation_run)
