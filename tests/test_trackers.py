"""Experiment trackers get the log of a run, and cannot end a run. Real ones run offline, if they are installed."""

import json
from collections.abc import Mapping
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from taskscape import runs
from taskscape.run_folder import RunFolder
from taskscape.trackers import Tracking, find_tracker
from taskscape.trackers.mlflow import _allowed_names
from tiny import tiny

OWN = """
import json
from taskscape.trackers import Tracker

class Lines(Tracker):
    name = "lines"

    def __init__(self, folder, settings, known_as):
        self.file = (folder / "lines").open("a")
        self.file.write(json.dumps(["begin", known_as, settings["epochs"]]) + "\\n")

    @property
    def id(self):
        return "line-1"

    def write(self, step, values):
        self.file.write(json.dumps([step, values]) + "\\n")

    def close(self, finished):
        self.file.write(json.dumps(["end", finished]) + "\\n")
        self.file.close()

class Broken(Lines):
    def write(self, step, values):
        if step > 2:
            raise RuntimeError("the server has gone")

class Absent(Lines):
    def __init__(self, folder, settings, known_as):
        raise ConnectionError("no network")
"""


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own.py").write_text(OWN)
    return tmp_path


def test_a_tracker_of_ones_own_gets_steps_epochs_and_settings(store: Path, own: Path) -> None:
    experiment = replace(tiny(store), epochs=2, trackers=("own.py:Lines",))
    runs.train(experiment, own / "run", quiet=True)
    lines = [json.loads(line) for line in (own / "run" / "lines").read_text().splitlines()]
    assert lines[0] == ["begin", None, "2"] and lines[-1] == ["end", True]
    values: dict[str, list[Any]] = {}
    for step, of_step in lines[1:-1]:
        for name in of_step:
            values.setdefault(name, []).append(step)
    assert values["step/loss/depth"] == [1, 2, 3, 4, 5, 6]
    assert values["val/depth/abs_rel"] == values["val/loss/depth"] == [3, 6]
    runs.train(replace(experiment, epochs=3), own / "run", resume=True, quiet=True)
    resumed = [json.loads(line) for line in (own / "run" / "lines").read_text().splitlines()]
    assert ["begin", "line-1", "3"] in resumed


@pytest.mark.parametrize(("name", "why"), [("Broken", "the server has gone"), ("Absent", "no network")])
def test_a_tracker_that_fails_ends_no_run(store: Path, own: Path, name: str, why: str) -> None:
    experiment = replace(tiny(store), epochs=2, trackers=(f"own.py:{name}", "own.py:Lines"))
    runs.train(experiment, own / "run", quiet=True)
    log = (own / "run" / "train.log").read_text()
    assert log.count(f"WARNING own.py:{name} stopped tracking; the run continues without it: {why}") == 1
    assert '["end", true]' in (own / "run" / "lines").read_text()  # the other tracker continues


def test_other_names_are_refused_before_any_work(store: Path, own: Path) -> None:
    for name, why in (
        ("wandbx", "did you mean wandb"),
        ("own.py:json", "not a subclass"),
        ("own.py:No", "has no 'No'"),
    ):
        with pytest.raises(ValueError, match=why):
            runs.train(replace(tiny(store), trackers=(name,)), own / "run")
    assert not (own / "run").exists()


@pytest.mark.parametrize("name", ["wandb", "mlflow"])
def test_what_is_not_installed_is_named_with_its_extra(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("taskscape.trackers.base.find_spec", lambda module: None)
    with pytest.raises(ValueError, match=rf"trackers: {name} is not installed: pip install 'taskscape\[{name}\]'"):
        find_tracker(name)


def track(name: str, run: Path, values: Mapping[int, Mapping[str, float]]) -> str:
    """Track steps of a run as in training, and return the run's identifier."""
    folder = RunFolder(run)
    tracking = Tracking([name], folder, {"network.type": "tiny", "epochs": "3"})
    for step, of_step in values.items():
        tracking.write(step, of_step)
    assert name in tracking._trackers, "it has failed"
    tracking.flush()
    tracking.close(finished=True)
    return str(json.loads(folder.trackers.read_text())[name])


VALUES = {1: {"step/loss/semseg": 2.5}, 2: {"step/loss/semseg": 2.25, "val/semseg/iou/traffic (light)": 40.0}}


@pytest.mark.skipif(find_spec("mlflow") is None, reason="mlflow is not installed")
def test_mlflow_has_what_was_sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from mlflow import MlflowClient

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", (tmp_path / "store").as_uri())
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    run = tmp_path / "run"
    run.mkdir()
    known_as = track("mlflow", run, VALUES)
    assert track("mlflow", run, {3: {"step/loss/semseg": 2.0}}) == known_as  # resumed
    found = MlflowClient().get_run(known_as)
    assert found.info.run_name == "run" and found.info.status == "FINISHED"
    assert found.data.params == {"network.type": "tiny", "epochs": "3"}
    history = MlflowClient().get_metric_history(known_as, "step/loss/semseg")
    assert [(point.step, point.value) for point in history] == [(1, 2.5), (2, 2.25), (3, 2.0)]
    assert found.data.metrics["val/semseg/iou/traffic _light_"] == 40.0


@pytest.mark.skipif(find_spec("mlflow") is None, reason="mlflow is not installed")
def test_mlflow_keeps_one_point_of_a_step_that_is_repeated_after_a_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlflow import MlflowClient

    monkeypatch.setenv("MLFLOW_TRACKING_URI", (tmp_path / "store").as_uri())
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    run = tmp_path / "run"
    run.mkdir()
    known_as = track("mlflow", run, VALUES)
    track("mlflow", run, {2: {"step/loss/semseg": 2.25, "val/loss/semseg": 3.0}, 3: {"step/loss/semseg": 2.0}})
    for name, steps in (("step/loss/semseg", [1, 2, 3]), ("val/loss/semseg", [2])):
        assert [point.step for point in MlflowClient().get_metric_history(known_as, name)] == steps


def test_names_in_mlflow_stay_different() -> None:
    names = ["a+b", "a_b", "a*b", "traffic (light)"]
    assert [*_allowed_names(names).values()] == ["a_2b_b", "a_b", "a_2a_b", "traffic _light_"]


@pytest.mark.skipif(find_spec("wandb") is None, reason="wandb is not installed")
def test_wandb_writes_offline_into_the_folder_of_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WANDB_MODE", "offline")
    run = tmp_path / "run"
    run.mkdir()
    known_as = track("wandb", run, VALUES)
    assert track("wandb", run, {3: {"step/loss/semseg": 2.0}}) == known_as
    files = list((run / "wandb").glob(f"offline-run-*-{known_as}/run-{known_as}.wandb"))
    assert files and b"step/loss/semseg" in files[0].read_bytes()
    assert not (tmp_path / "wandb").exists()
