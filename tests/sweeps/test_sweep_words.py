"""Which arguments of ``taskscape sweep`` vary, and which are rejected before any run."""

import json
import shlex
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from taskscape.commands.described import experiment
from taskscape.commands.published import published_sweeps
from taskscape.commands.sweep import _check_values, main
from taskscape.commands.sweep_plan import write_plan
from taskscape.commands.sweep_words import Words, continues, not_replaced, own_and_others, take_apart
from taskscape.run_folder import RunFolder, locked
from taskscape.sweeps import Range


def apart(line: str, *, recipe: str = "joint", search: bool = False) -> Words:
    default = experiment(recipe)
    own, others = own_and_others(shlex.split(line), [field.name for field in fields(default)])
    return take_apart(default, own, others, search=search)


def axes(line: str, **options: Any) -> dict[str, list[tuple[str, ...]]]:
    return {one.name: [point.words for point in one.points] for one in apart(line, **options).axes}


def test_several_values_are_an_axis_and_one_is_not() -> None:
    words = apart("--optimizer.lr 1e-4 1e-3 --epochs 3 --seeds 0 1")
    assert words.common == ["--epochs", "3"]
    assert [one.name for one in words.axes] == ["optimizer.lr", "seed"]
    assert axes("--optimizer.lr 1e-4 1e-3") == {
        "optimizer.lr": [("--optimizer.lr", "1e-4"), ("--optimizer.lr", "1e-3")],
    }


def test_a_choice_that_is_given_several_times_is_an_axis() -> None:
    words = apart("weighting:fixed weighting:dwa network:deeplab-branched --weighting.temperature 1 2")
    assert words.common == ["network:deeplab-branched"]
    assert [[point.label for point in one.points] for one in words.axes] == [["fixed", "dwa"], ["1", "2"]]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("--network.rates 3 6 9", {}),
        (
            "--network.rates 3,6 6,12",
            {"network.rates": [("--network.rates", "3", "6"), ("--network.rates", "6", "12")]},
        ),
        ("--data.size 64 128", {}),
        ("--data.size 64x128 32x64", {"data.size": [("--data.size", "64x128"), ("--data.size", "32x64")]}),
        ("--channels-last on off", {"channels_last": [("--channels-last",), ("--no-channels-last",)]}),
        (
            "--weighting.weights semseg=1,depth=2 semseg=2,depth=1",
            {
                "weighting.weights": [
                    ("--weighting.weights", "semseg", "1", "depth", "2"),
                    ("--weighting.weights", "semseg", "2", "depth", "1"),
                ]
            },
        ),
        (
            '--axis "--batch-size 4 --epochs 8" "--batch-size 8 --epochs 16"',
            {"batch_size": [("--batch-size", "4", "--epochs", "8"), ("--batch-size", "8", "--epochs", "16")]},
        ),
        (
            '--axis "--batch-size=4 --epochs=8" "--batch-size=8 weighting:dwa" --note="two words"',
            {"batch_size": [("--batch-size", "4", "--epochs", "8"), ("--batch-size", "8", "weighting:dwa")]},
        ),
        (  # runs are averaged over an axis of seeds, so it has no other settings
            '--axis "--seed 1 --epochs 8" "--seed 2 --epochs 16"',
            {"epochs": [("--seed", "1", "--epochs", "8"), ("--seed", "2", "--epochs", "16")]},
        ),
        (
            '--axis "--seed 1 weighting:dwa" "--seed 2"',
            {"weighting": [("--seed", "1", "weighting:dwa"), ("--seed", "2")]},
        ),
        ('--axis "--seed 1" "--seed 2"', {"seed": [("--seed", "1"), ("--seed", "2")]}),
    ],
)
def test_values_of_several_words(line: str, expected: dict[str, Any]) -> None:
    assert axes(line) == expected


def test_a_range_is_for_a_search() -> None:
    found = apart("--optimizer.lr 1e-5..1e-2 --batch-size 4..16", search=True).axes
    assert found == [
        Range("optimizer.lr", "--optimizer.lr", 1e-5, 1e-2),
        Range("batch_size", "--batch-size", 4, 16, whole=True),
    ]
    with pytest.raises(ValueError, match="a range is for a search"):
        apart("--optimizer.lr 1e-5..1e-2")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("joint --epochs 3", "nothing varies"),
        ("joint --optimizer.lr 1e-4 1e-4", "the value 1e-4 is given twice"),
        ("joint --optimizer.lr 1e-4 --optimizer.lr 1e-3", "give it once with all values, --optimizer.lr 1e-4 1e-3"),
        ("joint --batch-size 4 --batch_size 4 --seeds 0 1", "--batch-size is given twice"),
        ("joint --optimizer.rl 1e-4 1e-3", "did you mean --optimizer.lr"),
        ("joint --precision bf16 fp61", "there is no 'fp61'"),
        ("joint --epochs 1 0", "--epochs 0: it must be at least 1"),
        ("joint weighting:fixed weighting:dwaa", "did you mean dwa"),
        ("joint --optimizer.lr 1e-4 1e-3 --workers", "--workers takes one value"),
        ("joint --seeds 0 1 --seed 3", "leave out --seed"),
        ("joint --epochs 1 2 --axis '--epochs 1 --seed 1' '--epochs 3 --seed 2'", "epochs varies twice"),
        ("joint --axis '--epochs 1 --seed 1' '--epochs 3 --seed 2' --seeds 0 1", "--seed is given twice"),
        ("joint --seeds 0 1 --search 3", "a search takes one seed"),
        ("joint --epochs 1 2 --storage sqlite:///x.db", "add --search N"),
        ("joint --epochs 1 2 --address auto", "add --on ray"),
        ("jiont --seeds 0 1", "did you mean joint"),
        ("--resume nowhere", "nowhere is not a sweep"),
        ("--resume nowhere --optimizer.lr 1", "--optimizer.lr does not go with --resume"),
        ("--resume nowhere --seeds 3 4", "--seeds does not go with --resume"),
        ("joint --epochs 1.5..3 --search 2", "is not a range of whole numbers"),
        ("--seeds 0 1", "what to sweep comes first"),
    ],
)
def test_mistakes_are_found_before_anything_runs(
    line: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises((ValueError, OSError, SystemExit)) as caught:
        main(shlex.split(line))
    output = capsys.readouterr()
    assert said in f"{caught.value} {' '.join((output.out + output.err).split())}"
    assert not list(tmp_path.iterdir())


def test_values_of_the_wrong_type_are_refused() -> None:
    with pytest.raises(ValueError, match="--epochs three: give a whole number"):
        main(["joint", "--epochs", "3", "three"])


def test_how_a_sweep_is_executed_is_not_part_of_its_plan(tmp_path: Path) -> None:
    words = ["--epochs", "1", "2", "--gpus_per_run", "0.5", "--workers=2", "--plan"]
    assert write_plan(tmp_path, "joint", words, ["epochs"]).arguments == ["--epochs", "1", "2"]


@pytest.mark.parametrize(
    ("line", "package"), [("--search 2 --epochs 1..3", "optuna"), ("--epochs 1 2 --on ray", "ray")]
)
def test_a_missing_package_is_reported_before_anything_is_written(
    line: str, package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.delattr("taskscape.commands.sweep.require_place")
    with pytest.raises(ValueError, match=r"needs (Optuna|Ray): pip install"):
        main(["joint", *line.split(), "--out", str(tmp_path)])


def test_another_sweep_is_not_overwritten(tmp_path: Path) -> None:
    plan = {"recipe": "joint", "arguments": ["--epochs", "1", "2"], "study": "s"}
    (tmp_path / "sweep.json").write_text(json.dumps(plan))
    with pytest.raises(ValueError, match="holds another sweep"):
        main(["joint", "--epochs", "1", "3", "--out", str(tmp_path)])


def test_a_sweep_that_another_process_trains_keeps_its_plan(tmp_path: Path) -> None:
    plan = json.dumps({"recipe": "joint", "arguments": ["--epochs", "1", "2", "--seeds", "0"], "study": "s"})
    (tmp_path / "sweep.json").write_text(plan)
    with locked(RunFolder(tmp_path)), pytest.raises(ValueError, match="is being written"):
        main(["joint", "--epochs", "1", "2", "--seeds", "0", "1", "--out", str(tmp_path)])
    assert (tmp_path / "sweep.json").read_text() == plan


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "download.part").touch()
    with pytest.raises(ValueError, match="is not empty and holds no sweep"):
        main(["joint", "--epochs", "1", "2", "--out", str(tmp_path)])
    assert [path.name for path in tmp_path.iterdir()] == ["download.part"]


@pytest.mark.parametrize(
    ("before", "now", "expected"),
    [
        ("--epochs 1 2 --seeds 0 1", "--epochs 1 2 --seeds 0 1", True),
        ("--epochs 1 2 --seeds 0 1", "--epochs 1 2 --seeds 0 1 2", True),
        ("--epochs 1 2 --seeds 0 1", "--epochs 1 2 --seeds 0", False),
        ("--epochs 1 2", "--epochs 1 2 --seeds 0", False),
        ("--epochs 1 2", "--batch-size 1 2", False),
        ("--epochs 1 2 --seeds 0", "--epochs 1 3 --seeds 0 1", False),
        ("--epochs 1..8 --search 9", "--epochs 1..8 --search 10", True),
        ("--epochs 1..8 --search 10", "--epochs 1..8 --search 9", False),
    ],
)
def test_a_sweep_is_enlarged_by_more_seeds_or_a_longer_search(before: str, now: str, expected: bool) -> None:
    names = [field.name for field in fields(experiment("joint"))]
    assert continues(shlex.split(now), shlex.split(before), names) == expected


@pytest.mark.parametrize(
    ("published", "further", "kept"),
    [
        ("optimizer:sgd optimizer:adam --optimizer.lr 1e-4 1e-3", "optimizer:adamw", "--optimizer.lr 1e-4 1e-3"),
        ("optimizer:sgd --optimizer.lr 1e-4 1e-3", "--optimizer.lr=1e-2", "optimizer:sgd"),
        ("--axis '--batch-size 4 --epochs 8' '--batch-size 8 --epochs 16' --seeds 1", "--batch_size 2 4", "--seeds 1"),
        ("--epochs 2 --batch-size 4 8", "--axis '--epochs 1' '--epochs 3'", "--batch-size 4 8"),
    ],
)
def test_arguments_after_a_published_sweep_replace_its_own(published: str, further: str, kept: str) -> None:
    names = [field.name for field in fields(experiment("joint"))]
    assert not_replaced(shlex.split(published), shlex.split(further), names) == shlex.split(kept)


@pytest.mark.parametrize("name", published_sweeps())
def test_published_sweeps_fit_their_recipes(name: str) -> None:
    published = published_sweeps()[name]
    words = apart(published.arguments, recipe=published.recipe)
    assert words.axes
    _check_values(published.recipe, experiment(published.recipe), words)
    assert "Published:" in published.text
