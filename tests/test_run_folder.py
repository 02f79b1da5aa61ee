import json
import shlex
from dataclasses import replace
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from taskscape.metrics import MetricSpec
from taskscape.modalities import CLASS_SETS, Depth, Normals, Semseg
from taskscape.run_folder import Result, RunFolder, RunLogger
from taskscape.run_folder.fresh import short_name

RESULT = Result(
    split="val",
    images=3,
    size=(128, 256),
    tasks={"depth": Depth(metric=False), "parts": Semseg(classes=CLASS_SETS["cityscapes-7"]), "n": Normals()},
    metrics={"depth/rmse": 1.5, "grader": 40},
    specs={
        "depth/rmse": MetricSpec("RMSE", "m", "Root of …", 3, in_delta_m=True),
        "grader": MetricSpec("Grader", higher_is_better=True),
        "depth/other": MetricSpec("May be missing"),
    },
    plots={"parts/confusion": [[1, 2], [3, 4]], "depth/histogram": {"edges": [0.5, 1.0]}},
    cost={"parameters": 1e6},
    environment={"device": "CPU"},
    tta=True,
)


def test_a_result_comes_back_as_it_was(tmp_path: Path) -> None:
    path = RunFolder(tmp_path).result()
    RESULT.save(path)
    assert Result.load(path) == RESULT
    assert not list(tmp_path.glob("*.part"))


def test_a_metric_that_is_not_declared_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="metrics without a spec: edges/f1; declare"):
        replace(RESULT, metrics={"edges/f1": 50.0})


def test_a_metric_that_is_no_number_is_not_saved(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        replace(RESULT, metrics={"grader": float("nan")}).save(tmp_path / "result.json")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('{"format": 1, "figures": {}}', "format 1, this version reads 2"),
        ("{}", "not a result of taskscape"),
        ("[]", "not a result of taskscape"),
        ('{"for', "not JSON"),
        ('{"format": 2, "splt": "val"}', "there is no field 'splt'; did you mean split"),
    ],
)
def test_other_files_are_refused_with_the_remedy(tmp_path: Path, text: str, problem: str) -> None:
    path = tmp_path / "result.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=rf"result.json.*{problem}.*; evaluate the run again with `taskscape "):
        Result.load(path)
    path.unlink()
    with pytest.raises(FileNotFoundError, match=r"no result .*make it with `taskscape evaluate "):
        Result.load(path)


def test_text_is_a_path(tmp_path: Path) -> None:
    RESULT.save(str(tmp_path / "result.json"))
    assert Result.load(str(tmp_path / "result.json")) == RESULT
    assert RunFolder(str(tmp_path)) == RunFolder(tmp_path)  # type: ignore[arg-type]


def test_a_run_without_weights_is_trained_before_it_is_evaluated(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    run.experiment.write_text("epochs: 1")
    assert run.evaluate_command("test") == f"taskscape train --resume {tmp_path}"
    with pytest.raises(FileNotFoundError, match="make it with `taskscape train --resume"):
        Result.load(run.result())
    run.weights.touch()
    assert run.evaluate_command("test") == f"taskscape evaluate {tmp_path} --split test"


def test_a_result_is_readable_json(tmp_path: Path) -> None:
    RESULT.save(tmp_path / "result.json")
    content = json.loads((tmp_path / "result.json").read_text())
    assert content["format"] == 2
    assert content["tasks"]["depth"] == {"type": "depth", "metric": False}
    assert content["specs"]["grader"]["higher_is_better"] is True


def test_names_say_split_and_augmentation() -> None:
    run = RunFolder(Path("runs/a"))
    assert run.name == "a"
    assert [run.result(), run.result("test"), run.result("test", tta=True), run.result(tta=True)] == [
        Path("runs/a") / f"result{suffix}.json" for suffix in ("", "-test", "-test-tta", "-tta")
    ]
    assert run.samples("test") == Path("runs/a/samples-test.npz")
    assert run.report(tta=True) == Path("runs/a/report/index-tta.html")
    assert run.evaluate_command("test", tta=True) == "taskscape evaluate runs/a --split test --tta"


def test_the_command_for_a_file_is_the_one_that_writes_it(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    for split in ("val", "test"):
        for tta in (False, True, "flips"):
            for path in (run.result(split, tta), run.samples(split, tta)):
                assert run.command_for(path) == run.evaluate_command(split, tta)
    run.result("test", tta="flips").write_text("{")
    with pytest.raises(
        ValueError, match=rf"evaluate the run again with `taskscape evaluate {tmp_path} --split test --"
    ):
        Result.load(run.result("test", tta="flips"))
    assert run.command_for(tmp_path / "other.json") == run.evaluate_command()


def test_the_command_for_a_result_on_other_data_names_no_split_that_the_run_does_not_have(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    run.data.write_text('{"train": {}, "val": {}, "small": {}}')
    assert run.evaluate_command("small") == f"taskscape evaluate {tmp_path} --split small"
    for name in ("rooms-val", "val-height32", "val-cityscapes-to-7"):
        options = "[--data STORE] [--split SPLIT] [--classes MAP] [--height N]"
        assert run.evaluate_command(name, tta=True) == f"taskscape evaluate {tmp_path} {options} --tta"


def test_rows_of_metrics(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    assert run.metric_rows() == []
    run.metrics.write_text("epoch,step,a\n1,10,0.1\n2,20\n3,30,,surplus\n")
    assert run.metric_rows() == [
        {"epoch": "1", "step": "10", "a": "0.1"},
        {"epoch": "2", "step": "20"},
        {"epoch": "3", "step": "30"},
    ]


def test_a_resumed_log_equals_an_uninterrupted_one(tmp_path: Path) -> None:
    for name, stops in (("once", []), ("resumed", [20])):
        run = RunFolder(tmp_path / name)
        run.path.mkdir()
        log = RunLogger(run)
        for epoch in range(1, 5):
            log.log_step(10 * epoch - 5, {"train/loss/depth": 1 / epoch})
            log.log_epoch(epoch, 10 * epoch, {"lr": 0.1 / epoch, **({"val/depth/rmse": 2.0} if epoch > 2 else {})})
            if stops and epoch == 3:  # killed; the checkpoint is from an earlier step
                log.close()
                log = RunLogger(run, step=stops[0])
                log.log_epoch(3, 30, {"lr": 0.1 / 3, "val/depth/rmse": 2.0})
        log.close()
    once, resumed = (RunFolder(tmp_path / name) for name in ("once", "resumed"))
    assert once.metrics.read_text() == resumed.metrics.read_text()
    assert [row["step"] for row in once.metric_rows()] == ["10", "20", "30", "40"]
    assert "val/depth/rmse" not in once.metric_rows()[0]
    events = EventAccumulator(str(resumed.path)).Reload()
    assert [event.step for event in events.Scalars("lr")] == [10, 20, 30, 40]


@pytest.mark.parametrize(
    ("recipe", "name"),
    [
        ("joint", "joint"),
        ("ladder/rung3", "ladder-rung3"),
        ("my.py:wide", "wide"),
        ("settings/wide.yaml", "wide"),
        ("runs/joint-2/experiment.yaml", "joint"),
        ("7/experiment.yaml", "run"),
    ],
)
def test_a_run_is_called_as_its_recipe(recipe: str, name: str) -> None:
    assert short_name(recipe) == name


def test_a_run_may_be_meant_without_the_default_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "runs" / "joint").mkdir(parents=True)
    RunFolder(tmp_path / "runs" / "joint").experiment.touch()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"did you mean runs/joint\?"):
        RunFolder(Path("joint")).require()


def test_a_folder_that_is_no_run_names_those_that_may_be_meant(tmp_path: Path) -> None:
    for name in ("runs/joint", "runs/split-2"):
        (tmp_path / name).mkdir(parents=True)
        RunFolder(tmp_path / name).experiment.touch()
    runs = tmp_path / "runs"
    RunFolder(runs / "joint").require()
    assert RunFolder(runs).runs() == [runs / "joint", runs / "split-2"]
    said = {
        runs: f"{runs} is not a run, but contains runs: name one, such as {runs / 'joint'}",
        runs / "jont": f"{runs / 'jont'} is not a run: it has no experiment.yaml; did you mean {runs / 'joint'}?",
        runs / "x": f"{runs / 'x'} is not a run: it has no experiment.yaml; "
        f"there is {runs / 'joint'}, {runs / 'split-2'}",
        runs / "joint/x": f"{runs / 'joint/x'} is not a run: it has no experiment.yaml; make one with taskscape train",
    }
    for path, message in said.items():
        with pytest.raises(FileNotFoundError) as error:
            RunFolder(path).require()
        assert str(error.value) == message


def test_commands_in_messages_can_be_copied() -> None:
    folder = RunFolder(Path("my runs/joint"))
    assert shlex.split(folder.resume_command) == ["taskscape", "train", "--resume", "my runs/joint"]
    assert shlex.split(folder.evaluate_command("test")) == ["taskscape", "evaluate", "my runs/joint", "--split", "test"]
    settings = "my runs/joint/experiment.yaml"
    assert shlex.split(folder.train_on_command) == ["taskscape", "train", settings, "--from", "my runs/joint"]
