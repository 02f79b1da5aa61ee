"""Models by name: released ones work offline; for wrong names, the nearest is suggested."""

import hashlib
import json
import shutil
import socket
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import taskscape
from taskscape import hub, released
from taskscape.cli import main
from taskscape.run_folder import Calibration, Result, RunFolder
from taskscape.runs import read_experiment
from taskscape.runs.start import Start
from taskscape.state_dicts import read_safetensors


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make every connection fail on this machine: no test here may use the network."""

    def refuse(self: socket.socket, address: object) -> None:
        raise OSError("there is no network")

    monkeypatch.setattr(socket.socket, "connect", refuse)


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    Image.effect_noise((60, 40), 80).convert("RGB").save(tmp_path / "photo.jpg")
    return tmp_path / "photo.jpg"


def test_it_is_loaded_by_its_name(release: str, run: Path) -> None:
    named = taskscape.load(release, device="cpu").predict(released.PHOTOGRAPH)
    folder = taskscape.load(released.find(release), device="cpu").predict(released.PHOTOGRAPH)
    for task, array in named.items():
        assert np.array_equal(array, folder[task])
    ids, expected = named["semseg"], taskscape.load(run, device="cpu").predict(released.PHOTOGRAPH)["semseg"]
    assert (ids == expected).mean() > 0.95


def test_images_alone_are_predicted_by_it(
    release: str, photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    main(["predict", "photo.jpg"])
    (line,) = [line for line in capsys.readouterr().err.splitlines() if release in line]
    assert "trained on the store blocks" in line and "for rooms of two classes" in line and "(mIoU: val" in line
    assert {"photo.semseg.png", "photo.side-by-side.png"} <= {path.name for path in Path("predictions").iterdir()}
    main(["predict", release, "photo.jpg", "--out", "named"])
    for path in Path("predictions").iterdir():
        assert path.read_bytes() == (Path("named") / path.name).read_bytes()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("predict taskscape/street-small photo.jpg", "did you mean taskscape/streets-small?"),
        ("predict streets-small photo.jpg", "did you mean taskscape/streets-small?"),
        ("predict missing.jpg", "there is no image or folder missing.jpg"),
        ("predict missing.jpg photo.jpg", "there is no image or folder missing.jpg"),
        ("predict nowhere photo.jpg", "nowhere is not a run"),
        ("predict exported photo.jpg", "exported is an exported model"),
        ("predict runs photo.jpg", "runs is not a run, but contains runs: name one, such as runs/rooms"),
        ("predict taskscape/streets-small", "there is no image to predict"),
        ("predict photo.jpg runs/rooms", "runs/rooms is a model, not an image: name one model, before the images"),
        ("predict photo.jpg taskscape/streets-small", "taskscape/streets-small is a model, not an image"),
        ("predict runs/roms photo.jpg", "runs/roms is not a run"),
        ("predict taskscap/streets-small photo.jpg", "the hub cannot be reached"),
        ("predict taskscap/streets-small photo.jpg", "did you mean taskscape/streets-small?"),
        ("evaluate taskscape/streets-small", "taskscape/streets-small --out streets-small, and name streets-small"),
        ("train joint --from taskscape/streets", "--from: there is no released model 'taskscape/streets'"),
        ("models --released --encoder resnet18", "leave out"),
    ],
)
def test_wrong_names(
    words: str,
    said: str,
    release: str,
    run: Path,
    photo: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TASKSCAPE_CACHE", str(tmp_path / "cache"))
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "rooms").symlink_to(run)
    (tmp_path / "exported").mkdir()
    (tmp_path / "exported" / "about.json").write_text("{}")
    with pytest.raises(SystemExit) as ended:
        main(words.split())
    assert ended.value.code == 2
    assert said in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "predictions").exists()


def test_without_a_release_a_run_must_be_named(
    photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "none").mkdir()
    monkeypatch.setattr(released, "FOLDER", tmp_path / "none")
    with pytest.raises(SystemExit):
        main(["predict", str(photo)])
    assert "name the folder of a run before the images" in capsys.readouterr().err


def test_they_are_listed(release: str, capsys: pytest.CaptureFixture[str]) -> None:
    main(["models", "--released"])
    said = " ".join(capsys.readouterr().out.split())
    size = RunFolder(released.find(release)).weights.stat().st_size
    for words in (
        release,
        f"{size / 1e6:.1f} MB",
        "semseg, depth, normals",
        "mIoU: val",
        "mit",
        "rooms of two classes",
    ):
        assert words in said


def test_a_run_starts_from_it(release: str, run: Path) -> None:
    from dataclasses import replace

    experiment = replace(read_experiment(run), start_from=Path(release))
    start = Start.of(experiment)
    assert start is not None
    weights = read_safetensors(RunFolder(released.find(release)).weights)
    assert start.tensors.keys() == weights.keys() and len(start.checksum) == 64
    network = experiment.network.build({name: task.channels for name, task in experiment.tasks.items()})
    (first, *_) = start.fill(network, experiment)
    assert first == f"started from {release}: {len(weights)} of {len(weights)} tensors of the network fit"


def test_a_copy_is_a_folder_of_ones_own(release: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    main(["pull", release, "--out", "mine"])
    assert {path.name for path in Path("mine").iterdir()} == {path.name for path in released.find(release).iterdir()}
    with pytest.raises(SystemExit):
        main(["pull", release, "--out", "mine"])
    with pytest.raises(FileNotFoundError, match="is not a run"):
        taskscape.evaluate(release)
    assert not Path("taskscape").exists()


def test_a_path_is_no_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(hub, "fetch", lambda name, code=False: pytest.fail("asked the hub"))
    for path in ("runs/joint", "somewhere/user/name", "../user/name", "/user/name", "a/..", "photo.jpg"):
        (tmp_path / "runs").mkdir(exist_ok=True)
        assert not released.is_name(path) and released.resolve(path) == Path(path)
    (tmp_path / "user" / "name").mkdir(parents=True)
    assert released.resolve("user/name") == Path("user/name")


def test_the_photograph_may_be_shared() -> None:
    license = released.PHOTOGRAPH.with_name(released.PHOTOGRAPH.name + ".license").read_text("utf-8")
    assert released.PHOTOGRAPHER.partition(",")[0] in license and "Permission is hereby granted" in license
    assert released.PHOTOGRAPH.stat().st_size <= 150_000
    with Image.open(released.PHOTOGRAPH) as image:
        assert image.width == 640


RELEASED = released.names()


@pytest.mark.parametrize("name", RELEASED)
def test_what_is_released_is_small_and_says_what_it_is(name: str) -> None:
    folder = released.find(name)
    assert sum(path.stat().st_size for path in folder.rglob("*")) <= released.MOST_BYTES
    about = released.listing(folder)
    assert about.license == "mit" and about.expects and "generated streets" in about.trained_on and about.metrics
    assert not hub.code_in(json.loads(json.dumps(read_plain(folder))))
    hub.verify(folder, name, code=False)
    card = RunFolder(folder).card.read_text("utf-8")
    assert "Apache-2.0" in card and "not stated" not in card and "## Limits" in card
    calibration = Calibration.load(RunFolder(folder).calibration)
    assert calibration.weights == hashlib.sha256(RunFolder(folder).weights.read_bytes()).hexdigest()
    assert f"calibrated on {calibration.images} images of val" in card


def test_a_result_with_test_time_augmentation_is_not_that_of_its_split(tmp_path: Path) -> None:
    shutil.copytree(released.find(released.DEFAULT), tmp_path / "model")
    run, before = RunFolder(tmp_path / "model"), released.listing(tmp_path / "model")
    result = Result.load(run.result())
    replace(result, tta=True, metrics=dict.fromkeys(result.metrics, 0.0)).save(run.result("val", tta=True))
    assert released.listing(run.path) == before


@pytest.mark.parametrize("name", RELEASED)
def test_what_is_released_finds_the_street(name: str) -> None:
    prediction = taskscape.load(name, device="cpu").predict(released.PHOTOGRAPH)
    assert set(prediction) == set(released.listing(released.find(name)).tasks)
    for array in prediction.values():
        assert array.shape[:2] == (360, 640) and np.isfinite(array).all()
    classes = taskscape.load(name, device="cpu").views["semseg"].modality.classes.classes
    ids = prediction["semseg"]
    assert (ids[260:, 200:440] == classes.index("road")).mean() > 0.7  # in front of the camera
    assert (ids[:40, 150:400] == classes.index("sky")).mean() > 0.7
    assert np.median(prediction["depth"][340:, 200:440]) < np.median(prediction["depth"][200:220, 200:440])


def read_plain(folder: Path) -> object:
    from taskscape.serialization.plain import read_yaml

    return read_yaml(RunFolder(folder).experiment)
