"""Runs of a sweep in stacks: all are trained; those that cannot be stacked are trained alone, which is reported."""

import json
import logging
from dataclasses import replace
from pathlib import Path

import pytest
from one_by_one import OneByOne
from typing_extensions import override

from taskscape.commands.sweep import main
from taskscape.runs import Experiment
from taskscape.sweeps import Grid, LocalExecutor, Point, StackedExecutor, Sweep, Trial, Values, is_done, run
from taskscape.sweeps.executor import ENDED, STACK
from taskscape.sweeps.sweep import Monitor
from tiny import TinyConfig, tiny

SEEDS = Values("seed", [Point(text, ("--seed", text)) for text in ("0", "1", "2")])
WIDTHS = Values("network.width", [Point(text, ("--network.width", text)) for text in ("4", "8")])


class Pretending(OneByOne):
    """Trains nothing, and reports for each stack that its first run failed."""

    def __init__(self) -> None:
        super().__init__()
        self.stacks: list[list[str]] = []

    @override
    def start(self, path: Path) -> None:
        super().start(path)
        stack = path / STACK
        runs = json.loads(stack.read_text("utf-8")) if stack.is_file() else [str(path)]
        self.stacks.append([Path(name).name for name in runs])
        if stack.is_file():
            (path / ENDED).write_text(json.dumps({runs[0]: "it was the first"}))


def build(store: Path, trial: Trial) -> Experiment:
    width = int(trial.values.get("network.width", "8"))
    return replace(
        tiny(store), network=TinyConfig(width), seed=int(trial.values["seed"]), epochs=1, keep_checkpoint=False
    )


def test_runs_of_one_network_are_of_one_stack(store: Path, tmp_path: Path) -> None:
    inner = Pretending()
    grid = Grid(tmp_path, [WIDTHS, SEEDS])
    executor = StackedExecutor(inner, 4, tmp_path)
    outcomes = run(Sweep(grid, executor, Monitor.of(tiny(store)), lambda trial: build(store, trial)))
    assert inner.stacks == [[f"width={width},seed={seed}" for seed in range(3)] for width in (4, 8)]
    said = {trial.name: outcome.error for trial, outcome in outcomes.values()}
    assert said["width=4,seed=0"] == said["width=8,seed=0"] == "it was the first"
    assert said["width=4,seed=1"] == "it ended without a result"
    assert not (tmp_path / "stacks").exists()


def test_what_cannot_be_stacked_is_trained_alone(store: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    inner = Pretending()
    executor = StackedExecutor(inner, 4, tmp_path)
    with caplog.at_level(logging.WARNING):
        run(
            Sweep(
                Grid(tmp_path, [SEEDS]),
                executor,
                Monitor.of(tiny(store)),
                lambda trial: replace(build(store, trial), network=TinyConfig(dropout=0.5)),
            )
        )
    assert [len(stack) for stack in inner.stacks] == [1, 1, 1]
    assert "seed=1 is trained alone, and not in a stack" in caplog.text and "dropout to 0" in caplog.text


def test_a_stack_in_a_process_trains_every_run(store: Path, tmp_path: Path) -> None:
    executor = StackedExecutor(LocalExecutor(workers=1), 3, tmp_path)
    outcomes = run(Sweep(Grid(tmp_path, [SEEDS]), executor, Monitor.of(tiny(store)), lambda trial: build(store, trial)))
    assert len(outcomes) == 3 and all(outcome.state == "finished" for _, outcome in outcomes.values())
    for path in outcomes:
        assert is_done(path) and (path / "report").is_dir() and "trained in a stack" in (path / "train.log").read_text()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--stack", "1"], "--stack 1: it must be at least 2"),
        (["--stack", "4", "--plan"], "with --plan runs start one by one"),
        (["--stack", "4", "--search", "3"], "with --search runs start one by one"),
        (["--stack", "4", "--on", "ray"], "leave out --on ray"),
    ],
)
def test_flags_that_do_not_fit(words: list[str], message: str, tmp_path: Path) -> None:
    vary = ["--optimizer.lr", "1e-4", "1e-3"]
    with pytest.raises(ValueError, match=message):
        main(["joint", *vary, *words, "--out", str(tmp_path / "sweep")])
