"""Runs in a stack give the same results as alone, even if they are stopped, fail or end early."""

import gc
import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from taskscape import runs
from taskscape.batch import Batch
from taskscape.data import Augmentation
from taskscape.data.augment import Sensor
from taskscape.errors import Interrupted, TrainingError
from taskscape.models import SegnetSingleConfig, SegnetSplitConfig
from taskscape.report import write_report
from taskscape.run_folder import Result, RunFolder, locked
from taskscape.runs import Experiment
from taskscape.runs.stackable import difference, refusal
from taskscape.training import step as step_module
from taskscape.training.loop import Trainer
from taskscape.training.optimization import Cosine, SGDConfig
from taskscape.training.stack import Stack
from taskscape.weighting import (
    DBMTLConfig,
    DWAConfig,
    ExcessMTLConfig,
    FixedConfig,
    PCGradConfig,
    RandomLossConfig,
    UncertaintyConfig,
)
from tiny import Tiny, TinyConfig, tiny


def experiments(store: Path) -> list[Experiment]:
    """Return runs that differ in everything that may differ."""
    base = replace(
        tiny(store),
        network=SegnetSplitConfig(widths=(4, 8)),
        # Noise, since among equal pixels rounding would decide the position of the maximum in SegNet's pooling.
        augmentation=Augmentation(flip=True, scale_range=(1.0, 1.5), brightness=0.3, sensor=Sensor(read_noise=0.1)),
        optimizer=SGDConfig(),  # Adam amplifies rounding where a gradient is 0, as for biases before a batch norm
        schedule=Cosine(warmup=0.5),
        gradient_clip=1.0,
        epochs=2,
        checkpoint_minutes=0.0,
    )
    return [
        base,
        replace(base, seed=1, weighting=FixedConfig({"depth": 0.3}), ema=0.9),
        replace(base, seed=2, weighting=UncertaintyConfig(), optimizer=SGDConfig(lr=1e-2, momentum=0.0)),
        replace(base, seed=3, weighting=DWAConfig(), epochs=3),
    ]


def folders(path: Path, count: int = 4) -> list[Path]:
    return [path / str(number) for number in range(count)]


def assert_same_runs(one: Path, other: Path) -> None:
    rows, others = RunFolder(one).metric_rows(), RunFolder(other).metric_rows()
    assert len(rows) == len(others)
    for row, beside in zip(rows, others, strict=True):
        assert row.keys() - {"runs_at_once"} == beside.keys() - {"runs_at_once"}
        for name in row:
            if "loss" in name or "weight" in name or name == "lr":
                assert float(row[name]) == pytest.approx(float(beside[name]), rel=1e-4), name
    weights, beside_it = load_file(one / "best.safetensors"), load_file(other / "best.safetensors")
    assert weights.keys() == beside_it.keys()
    for name, tensor in weights.items():
        torch.testing.assert_close(tensor.double(), beside_it[name].double(), rtol=1e-3, atol=1e-5, msg=name)


def test_a_stack_of_runs_gives_the_folders_of_each_alone(store: Path, tmp_path: Path) -> None:
    wanted = experiments(store)
    outcomes = runs.train_stacked(wanted, folders(tmp_path / "stack"), quiet=True)
    for experiment, outcome, folder in zip(wanted, outcomes, folders(tmp_path / "stack"), strict=True):
        alone = tmp_path / "alone" / folder.name
        result = runs.train(experiment, alone, quiet=True)
        assert isinstance(outcome, Result) and outcome.progress == result.progress
        assert outcome.metrics.keys() == result.metrics.keys()
        assert {path.name for path in folder.iterdir() if "events" not in path.name} == {
            path.name for path in alone.iterdir() if "events" not in path.name
        }
        assert folder.joinpath("last.ckpt").stat().st_size < 1.2 * alone.joinpath("last.ckpt").stat().st_size
        assert_same_runs(folder, alone)
        assert result.environment.get("runs at once") is None and outcome.environment["runs at once"] == "4"
        said = "of 4 runs at once, together"
        assert [said in write_report(path).read_text() for path in (alone, folder)] == [False, True]
    assert runs.evaluate(folder, quiet=True).environment["runs at once"] == "4"


def test_a_stopped_stack_goes_on(store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = experiments(store)[:3]
    whole, stopped = folders(tmp_path / "whole", 3), folders(tmp_path / "stopped", 3)
    runs.train_stacked(wanted, whole, quiet=True)
    taken = []
    update = step_module.TrainingStep.update

    def and_stop(self: step_module.TrainingStep) -> tuple[torch.Tensor, bool]:
        taken.append(self)
        if len(taken) == 7:  # in the third step of the runs
            os.kill(os.getpid(), signal.SIGTERM)
        return update(self)

    monkeypatch.setattr(step_module.TrainingStep, "update", and_stop)
    with pytest.raises(Interrupted, match="SIGTERM"):
        runs.train_stacked(wanted, stopped, quiet=True)
    assert all((folder / "last.ckpt").is_file() and not (folder / "result.json").exists() for folder in stopped)
    assert not any((folder / "run.lock").exists() for folder in stopped)
    monkeypatch.undo()
    runs.train_stacked(wanted, stopped, quiet=True)
    for one, other in zip(stopped, whole, strict=True):
        rows, others = RunFolder(one).metric_rows(), RunFolder(other).metric_rows()
        assert [row["train/loss/depth"] for row in rows] == [row["train/loss/depth"] for row in others]
        weights = load_file(other / "best.safetensors")
        assert all(torch.equal(x, weights[name]) for name, x in load_file(one / "best.safetensors").items())


def test_a_run_that_fails_leaves_the_others(store: Path, tmp_path: Path) -> None:
    base = replace(tiny(store), epochs=2, optimizer=SGDConfig())
    wild = replace(base, seed=1, optimizer=SGDConfig(lr=1e36))
    path = folders(tmp_path / "stack", 3)
    first, failed, last = runs.train_stacked([base, wild, replace(base, seed=2)], path, quiet=True)
    assert isinstance(failed, TrainingError) and "is nan at step" in str(failed)
    assert isinstance(first, Result) and isinstance(last, Result)
    assert "is nan" in (path[1] / "train.log").read_text() and "is nan" not in (path[0] / "train.log").read_text()
    runs.train(base, tmp_path / "alone", quiet=True)
    assert_same_runs(path[0], tmp_path / "alone")


def test_runs_that_have_ended_are_freed(store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def networks() -> int:
        gc.collect()
        return sum(type(x) is Tiny for x in gc.get_objects())

    base = replace(tiny(store), optimizer=SGDConfig())
    wanted = [replace(base, epochs=1), replace(base, optimizer=SGDConfig(lr=1e36)), replace(base, epochs=2)]
    before, alive, save = networks(), [], Trainer._save

    def saved(self: Trainer) -> None:
        alive.append(networks() - before)
        save(self)

    monkeypatch.setattr(Trainer, "_save", saved)
    outcomes = runs.train_stacked(wanted, folders(tmp_path, 3), quiet=True)
    assert [type(outcome) for outcome in outcomes] == [Result, TrainingError, Result]
    assert alive[-1] == 1, "only the last run was left in its last epoch"
    assert networks() == before, "an error keeps no network"


def test_a_finished_run_of_other_settings_is_not_taken_for_the_result(store: Path, tmp_path: Path) -> None:
    base = replace(tiny(store), epochs=1, keep_checkpoint=False)
    path = folders(tmp_path, 2)
    first, _ = runs.train_stacked([base, replace(base, seed=1)], path, quiet=True)
    again, refused = runs.train_stacked([base, replace(base, seed=2)], path, quiet=True)
    assert isinstance(again, Result) and again == first
    assert isinstance(refused, ValueError) and "was trained with other settings (seed)" in str(refused)


def test_a_run_whose_settings_do_not_fit_leaves_the_others(store: Path, tmp_path: Path) -> None:
    base = replace(tiny(store), network=SegnetSingleConfig(widths=(4, 8)), epochs=1)
    trained, refused = runs.train_stacked(
        [base, replace(base, weighting=PCGradConfig())], folders(tmp_path, 2), quiet=True
    )
    assert isinstance(trained, Result)
    assert isinstance(refused, ValueError) and "has no shared parameters" in str(refused)


def test_a_run_that_another_process_writes_leaves_the_others(store: Path, tmp_path: Path) -> None:
    base = replace(tiny(store), epochs=1)
    with locked(RunFolder(tmp_path / "0")):
        refused, trained = runs.train_stacked([base, replace(base, seed=1)], folders(tmp_path, 2), quiet=True)
    assert isinstance(refused, ValueError) and "is being written" in str(refused)
    assert isinstance(trained, Result)


def test_gradients_of_tasks_are_combined_in_each_run(store: Path, tmp_path: Path) -> None:
    base = replace(tiny(store), epochs=1, optimizer=SGDConfig(), weighting=PCGradConfig())
    others = (UncertaintyConfig(), DBMTLConfig(), ExcessMTLConfig())
    wanted = [base, *(replace(base, seed=seed, weighting=other) for seed, other in enumerate(others, 1))]
    runs.train_stacked(wanted, folders(tmp_path / "stack", 4), quiet=True)
    for experiment, folder in zip(wanted, folders(tmp_path / "stack", 4), strict=True):
        runs.train(experiment, tmp_path / "alone" / folder.name, quiet=True)
        assert_same_runs(folder, tmp_path / "alone" / folder.name)


@pytest.mark.parametrize(
    ("name", "value", "remedy"),
    [
        ("compile", True, "leave out --compile"),
        ("recompute_activations", True, "leave out --recompute-activations"),
        ("feature_cache", 1.0, "--feature-cache 0"),
        ("minutes", 1.0, "--epochs"),
        ("trackers", ("wandb",), "--trackers"),
        ("precision", "auto", "--precision bf16"),
        ("weighting", PCGradConfig(mode="features"), "--weighting.mode parameters"),
    ],
)
def test_what_cannot_be_stacked_is_refused_by_name(store: Path, name: str, value: object, remedy: str) -> None:
    refused = replace(tiny(store), **{name: value})  # type: ignore[arg-type]
    assert name in refusal(refused) and remedy in refusal(refused)
    assert refusal(tiny(store)) == ""
    with pytest.raises(ValueError, match=f"stack: {name}"):
        runs.train_stacked([tiny(store), refused] if name != "precision" else [refused] * 2, ["a", "b"])


@pytest.mark.parametrize(("count", "folders"), [(0, []), (2, ["a"]), (1, ["a", "b"])])
def test_every_experiment_needs_a_folder(store: Path, tmp_path: Path, count: int, folders: list[str]) -> None:
    with pytest.raises(ValueError, match=f"there are {count} experiments and {len(folders)} folders"):
        runs.train_stacked([tiny(store)] * count, [tmp_path / folder for folder in folders])
    assert not list(tmp_path.iterdir())


def test_runs_with_other_networks_are_not_of_one_stack(store: Path) -> None:
    one, other = tiny(store), replace(tiny(store), network=TinyConfig(width=4))
    assert difference(one, replace(one, seed=1, weighting=DWAConfig())) == ""
    with pytest.raises(ValueError, match="differ in network"):
        runs.train_stacked([one, other], ["a", "b"])
    with pytest.raises(ValueError, match="random numbers"):
        runs.train_stacked([replace(one, network=TinyConfig(dropout=0.3))] * 2, ["a", "b"])


def test_runs_whose_steps_fail_together_are_trained_one_after_the_other(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fails(stack: Stack, batch: Batch, names: object) -> object:
        stack._forward(batch)  # it has updated the statistics with its batch
        raise RuntimeError("no kernel for this")

    monkeypatch.setattr(Stack, "take", fails)
    wanted = [replace(experiment, epochs=1) for experiment in experiments(store)[:2]]
    outcomes = runs.train_stacked(wanted, folders(tmp_path / "stack", 2), quiet=True)
    assert all(isinstance(outcome, Result) for outcome in outcomes)
    assert "a stack of them fails here: no kernel for this" in caplog.text
    for experiment, folder in zip(wanted, folders(tmp_path / "stack", 2), strict=True):
        runs.train(experiment, tmp_path / "alone" / folder.name, quiet=True)
        assert_same_runs(folder, tmp_path / "alone" / folder.name)


def test_a_step_that_fails_after_weights_were_drawn_leaves_no_trace(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(outputs: object) -> None:
        raise RuntimeError("no kernel for this")

    monkeypatch.setattr("taskscape.training.stack._Outputs.backward", fails)
    base = replace(tiny(store), epochs=1, weighting=RandomLossConfig())
    wanted = [base, replace(base, seed=1)]
    runs.train_stacked(wanted, folders(tmp_path / "stack", 2), quiet=True)
    for experiment, folder in zip(wanted, folders(tmp_path / "stack", 2), strict=True):
        runs.train(experiment, tmp_path / "alone" / folder.name, quiet=True)
        assert_same_runs(folder, tmp_path / "alone" / folder.name)
