"""Interactive use in Python: recipes by name, and objects with one-line representations."""

import importlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import taskscape
from taskscape import models, recipes, runs, weighting
from taskscape.commands.recipes import summaries as listed
from taskscape.data import Streets
from taskscape.export import export
from taskscape.inference import Predictor
from taskscape.inference.label import label
from taskscape.inference.predict import predict
from taskscape.run_folder import Result
from taskscape.runs import Experiment
from tiny import tiny

PREDICTOR: Any = object.__new__(Predictor)


def test_recipes_have_the_names_of_the_command_line() -> None:
    assert set(recipes.names()) == set(listed())
    assert recipes.read("ladder/rung3") == recipes.ladder.rung3()
    assert recipes.read("three-tasks") == recipes.three_tasks()
    assert isinstance(recipes.read("segnet-mtan").network, models.SegnetMtanConfig)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("jiont", "did you mean joint?"),
        ("nowhere.py:experiment", "no Python file"),
        ("nowhere.yaml", "nowhere.yaml"),
    ],
)
def test_a_recipe_that_is_not_there_is_named(name: str, said: str) -> None:
    with pytest.raises((ValueError, OSError), match=said):
        recipes.read(name)


@pytest.mark.parametrize(
    ("known", "name", "meant"), [(models.CONFIGS, "segnet-mtn", "segnet-mtan"), (weighting.CONFIGS, "pcgard", "pcgrad")]
)
def test_a_wrong_name_of_a_network_or_weighting_suggests_the_right_one(
    known: Mapping[str, type], name: str, meant: str
) -> None:
    with pytest.raises(KeyError, match=rf"there is no '{name}'; did you mean {meant}\?"):
        known[name]
    assert name not in known and known.get(name) is None


def test_a_recipe_is_trained_by_its_name(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    runs.train(replace(tiny(store), epochs=1), "first", quiet=True)
    for number in (1, 2):
        result = taskscape.train("first/experiment.yaml", quiet=True)
        folder = Path("runs") / f"first-{number}"
        assert f"run: {folder}" in capsys.readouterr().out
        assert Result.load(folder / "result.json").metrics == result.metrics
    with pytest.raises(ValueError, match="resume needs the folder"):
        taskscape.train("first/experiment.yaml", resume=True)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: runs.evaluate("run", tta=3), "tta is 3: it must be a TestTimeAugmentation or text or true or false"),
        (lambda: runs.evaluate("run", height=(32, 64)), r"height is \(32, 64\): it must be a whole number or None"),
        (lambda: runs.evaluate("run", classes={"a": "b"}), "classes is {'a': 'b'}: it must be text"),
        (lambda: runs.evaluate("run", data=Streets), "data is the class Streets: it must be a DataSource or text"),
        (lambda: runs.evaluate(Path("run"), split=["val"]), r"split is \['val'\]: it must be text"),
        (lambda: runs.train("joint", "run"), "experiment is 'joint', a string: it must be an Experiment"),
        (lambda: taskscape.train(recipes.joint), "experiment is the function joint: it must be an Experiment or text"),
        (lambda: taskscape.load("run", tiles=(32, 64)), r"tiles is \(32, 64\): it must be a Tiles or None"),
        (lambda: taskscape.load("run", image_range=255), r"image_range is 255: .*\(a number, a number\)"),
        (lambda: taskscape.load("run", batch=2.5), r"batch is 2\.5: it must be a whole number"),
        (
            lambda: taskscape.load("run", view_settings={"depth": "cm"}),
            "view_settings.depth is 'cm', a string: .*mapping",
        ),
        (
            lambda: predict(PREDICTOR, np.zeros((4, 6, 3)), "out"),
            "images is a ndarray: it must be text or a path or a list",
        ),
        (lambda: predict("run", "image.png", "out"), "predictor is 'run', a string: it must be a Predictor"),
        (lambda: predict(PREDICTOR, "image.png", "out", outputs="maps"), r"outputs is 'maps', .*\[an Output, …\]"),
        (lambda: export("run", "onnx", "out", size=32), r"size is 32: .*\(a whole number, a whole number\) or None"),
        (lambda: export("run", "onnx", "out", reduction="int8"), "reduction is 'int8', .* a Reduction or None"),
        (lambda: label("run", "store", threshold="0.5"), r"threshold is '0\.5', a string: it must be a number or None"),
        (lambda: taskscape.load(None), "run is None: it must be text or a path"),
    ],
)
def test_arguments_of_another_type_are_named_before_any_work(call: Callable[[], Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()


def test_arguments_of_numpy_are_taken_and_names_may_stand_alone(shown: dict[str, Any], tmp_path: Path) -> None:
    run = tmp_path / "run"
    plain = runs.evaluate(run, height=16, tta=True, device=torch.device("cpu"), quiet=True)
    numpy = runs.evaluate(run, height=np.int64(16), tta=np.True_, device="cpu", quiet=True)
    assert numpy.metrics == plain.metrics
    predictor = taskscape.load(run, tasks="depth", batch=np.int32(1))
    assert list(predictor.model.tasks) == ["depth"] == list(runs.load(run).restricted("depth").tasks)
    with pytest.raises(ValueError, match=r"has no task 'x'; there is semseg, depth, normals$"):
        runs.load(run).restricted("x")
    with pytest.raises(ValueError, match="image is a ndarray: it must be a Tensor"):
        predictor.model.forward(np.zeros((1, 3, 32, 64), np.float32))
    prediction = predictor.predict(np.zeros((32, 64, 3), np.uint8))
    assert "normals" not in prediction
    with pytest.raises(KeyError, match=r"no task 'dpth'; did you mean depth\?"):
        prediction["dpth"]


@pytest.fixture
def shown(store: Path, tmp_path: Path) -> dict[str, Any]:
    experiment = replace(tiny(store), epochs=1)
    result = taskscape.train(experiment, tmp_path / "run", quiet=True)
    predictor = taskscape.load(tmp_path / "run")
    return {"experiment": experiment, "result": result, "predictor": predictor, "network": predictor.model.network}


def test_objects_are_shown_in_a_line(shown: dict[str, Any]) -> None:
    assert "epochs=1" in repr(shown["experiment"])
    assert "optimizer" not in repr(Experiment())
    assert "images of" in repr(shown["result"]) and "semseg/miou" in repr(shown["result"])
    assert "semseg: " in repr(shown["network"]) and "M parameters" in repr(shown["network"])
    assert "height" in repr(shown["predictor"])
    for value in (*shown.values(), recipes.ladder.rung3().tasks["semseg"].classes):
        assert len(repr(value)) < 1000 and "\n" not in repr(value)


def test_print_shows_the_layers_of_a_network(shown: dict[str, Any]) -> None:
    assert str(shown["network"]) == nn.Module.__repr__(shown["network"])
    assert "Conv2d" in str(shown["network"])


def test_a_short_form_is_what_one_would_write() -> None:
    names: dict[str, Callable[..., Any]] = {"Experiment": Experiment, "Streets": Streets}
    experiment = Experiment(data=Streets(train=3), epochs=2, trackers=("wandb",))
    assert eval(repr(experiment), names) == experiment


@pytest.mark.parametrize("package", ["data", "evaluation", "inference", "metrics", "report", "run_folder"])
def test_names_that_are_imported_on_first_use_are_completed(package: str) -> None:
    module = importlib.import_module(f"taskscape.{package}")
    assert dir(module) == sorted(module.__all__)
    assert all(hasattr(module, name) for name in dir(module))
