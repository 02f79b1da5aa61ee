"""Images in batches and threads, a selection of tasks, and the output."""

import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from predicting import main, make_run, rgb, three_tasks
from taskscape.inference import load
from taskscape.inference.outputs import Maps
from taskscape.inference.pipeline import predict_all
from taskscape.inference.predict import predict
from taskscape.inference.prediction import Prediction
from taskscape.models import DeeplabJointConfig
from taskscape.run_folder import RunFolder
from taskscape.runs.trained_model import read_experiment
from taskscape.serialization import dump
from taskscape.state_dicts import save_safetensors


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photos")
    for number, size in enumerate([(50, 70), (50, 70), (40, 40), (50, 70), (50, 70), (50, 70)]):
        rgb(*size).rotate(90 * number if size[0] == size[1] else 180 * number).save(folder / f"{number}.png")
    (folder / "3-broken.png").write_bytes(b"")
    return folder


def test_a_batch_gives_what_single_images_give(run: Path, photos: Path) -> None:
    predictor = load(run, batch=3, device="cpu")
    sources = {path.stem: path for path in sorted(photos.glob("?.png"))}
    found: dict[str, Prediction] = {}
    shapes = []

    def write(prediction: Prediction) -> list[Path]:
        assert threading.current_thread() is not threading.main_thread()
        found[prediction.name] = prediction
        return []

    hook = predictor.model.network.register_forward_pre_hook(lambda _, arguments: shapes.append(len(arguments[0])))
    outcome = predict_all(sources, predictor, write)
    hook.remove()
    assert shapes == [2, 1, 3]  # consecutive images of one size
    assert [found[name].number for name in sources] == list(range(6)) and set(outcome.sizes) == set(sources)
    for name, path in sources.items():
        alone = predictor.predict(path)
        np.testing.assert_allclose(found[name]["depth"], alone["depth"], rtol=1e-4)
        np.testing.assert_allclose(found[name]["normals"], alone["normals"], atol=1e-4)
        assert (found[name]["semseg"] == alone["semseg"]).mean() > 0.999
        assert found[name].file == path and found[name].views == found["0"].views


def test_files_with_several_images_are_named(run: Path, tmp_path: Path) -> None:
    notes: list[str] = []
    rgb().save(tmp_path / "one.tif")
    predict(load(run, device="cpu"), tmp_path / "one.tif", tmp_path / "out", outputs=[Maps(False)], note=notes.append)
    assert not any("several images" in note for note in notes)
    for name in ("a.tif", "b.gif", "c.png"):
        rgb().save(tmp_path / name, save_all=True, append_images=[Image.new("RGB", (70, 50))])
    predict(load(run, device="cpu"), tmp_path, tmp_path / "out", outputs=[Maps(False)], note=notes.append)
    assert "3 files, such as a, have several images: only the first one is predicted" in notes


def test_what_cannot_be_written_ends_the_work(run: Path, photos: Path) -> None:
    def full(prediction: Prediction) -> list[Path]:
        raise OSError(28, "no space left")

    with pytest.raises(OSError, match="no space left"):
        predict_all({path.stem: path for path in photos.glob("?.png")}, load(run, device="cpu"), full)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith(("reading", "writing"))]


def test_every_image_counts_once(run: Path, photos: Path, tmp_path: Path) -> None:
    calls: list[tuple[int, int]] = []
    with pytest.raises(ValueError, match="1 of 7 images was left out"):
        predict(
            load(run, batch=4, device="cpu"),
            [photos],
            tmp_path,
            progress=lambda done, total: calls.append((done, total)),
        )
    assert calls == [(number, 7) for number in range(1, 8)]
    assert len(list(tmp_path.glob("*.side-by-side.png"))) == 6


def test_only_the_tasks_that_are_wanted(run: Path, photos: Path, tmp_path: Path) -> None:
    main([str(run), str(photos / "0.png"), "--out", str(tmp_path / "out"), "--tasks", "depth", "--no-pictures"])
    assert {file.name for file in (tmp_path / "out").iterdir()} == {"0.depth.png", "metadata.json"}
    all_tasks = load(run, device="cpu").predict(photos / "0.png")
    depth = load(run, tasks=["depth"], device="cpu").predict(photos / "0.png")
    assert list(depth) == ["depth"]
    np.testing.assert_array_equal(depth["depth"], all_tasks["depth"])
    with pytest.raises(ValueError, match="no task 'dept'; did you mean depth"):
        predict(load(run, tasks=["dept"], device="cpu"), [photos / "0.png"], tmp_path / "other")
    with pytest.raises(ValueError, match="batch is 0"):
        load(run, batch=0)
    assert not (tmp_path / "other").exists()


def test_other_decoders_are_not_computed(tmp_path: Path) -> None:
    tasks = three_tasks()
    folder = RunFolder(make_run(tmp_path, tasks))
    network = DeeplabJointConfig(encoder="resnet10t", pretrained=False, width=16)
    folder.experiment.write_text(dump(replace(read_experiment(tmp_path), network=network)))
    built = network.build({name: task.channels for name, task in tasks.items()})
    save_safetensors(folder.weights, built.state_dict())
    image = np.asarray(rgb(50, 70))
    kept = load(tmp_path, tasks=["normals", "depth"], device="cpu")
    assert list(kept.model.network.heads) == ["depth", "normals"]
    np.testing.assert_array_equal(kept.predict(image)["depth"], load(tmp_path, device="cpu").predict(image)["depth"])


def test_the_command_says_how_long_it_took_and_how_it_computed(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Image.effect_noise((210, 150), 80).convert("RGB").save(tmp_path / "a.png")
    command = [str(run), str(tmp_path / "a.png"), "--out", str(tmp_path / "out"), "--tasks", "depth"]
    main(command)
    printed = capsys.readouterr().out
    assert "a (150x210) is resized to 50x70 for the network" in printed
    assert "1 image in" in printed and "per second: the network took" in printed and "writing" in printed
    main([*command, "--tile-size", "64x64", "--batch", "2", "--point-cloud", "--fov", "60"])
    printed = capsys.readouterr().out
    (tmp_path / "b.mp4").touch()
    with pytest.raises(ValueError, match="are for images: leave them out"):
        main([str(run), str(tmp_path / "b.mp4"), "--out", str(tmp_path / "out"), "--point-cloud", "--fov", "60"])
    assert "a (150x210) is computed in tiles of 64x64" in printed and "focal length of a: 182 pixels" in printed


def test_maps_of_another_network_that_stay_in_the_folder_are_named(run: Path, photos: Path, tmp_path: Path) -> None:
    def notes(*images: str, **settings: Any) -> list[str]:
        said: list[str] = []
        predict(load(run, **settings, device="cpu"), [photos / image for image in images], tmp_path, note=said.append)
        return [sentence for sentence in said if "earlier maps" in sentence]

    assert not notes("0.png", "1.png")
    assert not notes("0.png", "1.png", view_settings={"depth": {"unit": "mm"}})  # all files are written again
    assert not notes("0.png", view_settings={"depth": {"unit": "mm", "near": 2.0}})  # only the colors differ
    (found,) = notes("0.png", view_settings={"depth": {"unit": "m"}})
    assert "earlier maps of depth," in found and "metadata.json" in found
    (found,) = notes("0.png", tasks=["depth"], view_settings={"depth": {"unit": "m"}})
    assert "earlier maps of semseg, normals," in found


def test_maps_that_metadata_still_describe_are_not_named(run: Path, photos: Path, tmp_path: Path) -> None:
    def notes(image: str, *, confidence: bool) -> list[str]:
        said: list[str] = []
        predict(load(run, confidence=confidence, device="cpu"), [photos / image], tmp_path, note=said.append)
        return [sentence for sentence in said if "earlier maps" in sentence]

    assert not notes("0.png", confidence=False)
    assert not notes("1.png", confidence=True)  # the maps of 0.png are described as before
    (found,) = notes("0.png", confidence=False)  # the confidence of 1.png is not
    assert "earlier maps of semseg," in found


def test_metadata_stay_as_they_were_where_no_image_can_be_read(run: Path, photos: Path, tmp_path: Path) -> None:
    predict(load(run, device="cpu"), [photos / "0.png"], tmp_path)
    before = (tmp_path / "metadata.json").read_bytes()
    with pytest.raises(ValueError, match=r"3-broken\.png"):
        predict(load(run, tasks=["depth"], device="cpu"), [photos / "3-broken.png"], tmp_path)
    assert (tmp_path / "metadata.json").read_bytes() == before
