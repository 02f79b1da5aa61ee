"""What Python offers to those who type it: recipes by name, and objects that show themselves in a line."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from torch import nn

import taskscape
from taskscape import models, recipes, runs
from taskscape.commands.recipes import recipes as listed
from taskscape.data import Streets
from taskscape.run_folder import Result
from taskscape.runs import Experiment
from tiny import tiny


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
