"""Training: it learns, resumes exactly, stops cleanly, and gives the same result on several processes."""

import json
import math
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import safetensors.torch
import torch
from torch import Tensor

from blocks import pack
from taskscape import runs
from taskscape.batch import Target
from taskscape.data import Packed
from taskscape.errors import TrainingError
from taskscape.losses import L1, LossTerm
from taskscape.report.groups import group
from taskscape.report.run import Run
from taskscape.run_folder import Progress, Result, RunFolder, RunLogger
from taskscape.serialization import dump
from taskscape.tasks import Depth
from taskscape.training import checkpoint
from tiny import TinyConfig, tiny, trainer
from two_processes import train_on_both


def weights(run: Path) -> dict[str, Tensor]:
    return checkpoint.load(RunFolder(run).checkpoint)["network"]


def columns(run: Path, *names: str) -> list[list[float]]:
    return [[float(row[name]) for row in RunFolder(run).metric_rows()] for name in names]


def test_a_run_learns_and_leaves_its_files(store: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    result = runs.train(replace(tiny(store), epochs=15), run)
    for loss in columns(run, "train/loss/semseg", "train/loss/depth", "train/loss/normals"):
        assert loss[-1] < 0.7 * loss[0]
    assert result.metrics["semseg/miou"] > 90  # colors determine classes
    assert {"experiment.yaml", "metrics.csv", "result.json", "last.ckpt", "best.safetensors", "samples.npz"} <= {
        path.name for path in run.iterdir()
    }
    assert list(run.glob("events.out.tfevents.*"))
    assert not list(run.glob("*.part"))


def test_a_quiet_run_prints_nothing(store: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    experiment = replace(tiny(store), epochs=1)
    runs.train(experiment, tmp_path / "loud")
    assert "epoch 1/1  semseg/miou" in capfd.readouterr().err
    runs.train(experiment, tmp_path / "quiet", quiet=True)
    out, err = capfd.readouterr()
    assert out == "" and "epoch" not in err


def test_the_best_weights_are_those_of_the_best_epoch(store: Path, tmp_path: Path) -> None:
    experiment = tiny(store)
    experiment = replace(experiment, epochs=6, monitor="depth/abs_err", optimizer=replace(experiment.optimizer, lr=0.1))
    result = runs.train(experiment, tmp_path)
    (errors,) = columns(tmp_path, "val/depth/abs_err")
    assert result.metrics["depth/abs_err"] == pytest.approx(min(errors), rel=1e-5)
    with pytest.raises(ValueError, match=r"monitor is 'depth/none', which is no metric.*did you mean depth/"):
        runs.train(replace(experiment, monitor="depth/none"), tmp_path / "other")
    assert not (tmp_path / "other").exists()


def test_resuming_cuts_the_table_back_to_the_checkpoint(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    logger = RunLogger(folder)
    for epoch in (1, 2, 3):
        logger.log_epoch(epoch, 10 * epoch, {"loss": 1 / epoch})
    logger.close()
    RunLogger(folder, step=20).close()
    assert [row["step"] for row in folder.metric_rows()] == ["10", "20"]


@dataclass(frozen=True)
class Breaking(L1):
    """An L1 loss that is NaN from the fifth step on."""

    name: ClassVar[str] = "breaking"
    calls: ClassVar[list[int]] = []

    def term(self, prediction: Tensor, target: Target) -> LossTerm:
        self.calls.extend([1] * prediction.requires_grad)  # not in validation
        term = super().term(prediction, target)
        return LossTerm(term.sum * (math.nan if len(self.calls) >= 5 else 1.0), term.count)


def test_a_loss_that_is_not_finite_stops_the_run(store: Path, tmp_path: Path) -> None:
    experiment = tiny(store)
    run = trainer(replace(experiment, tasks={**experiment.tasks, "depth": Depth(loss=Breaking())}), tmp_path)
    with pytest.raises(TrainingError, match=r"loss of depth is nan at step 5 \(epoch 2\).*optimizer\.lr"):
        run.run()
    kept = checkpoint.load(RunFolder(tmp_path).checkpoint)
    assert kept["step"] == 3
    assert all(torch.isfinite(tensor).all() for tensor in kept["network"].values())


@dataclass(frozen=True)
class Vertical(L1):
    """An L1 loss that is finite, but whose gradient is not from the seventh call on."""

    name: ClassVar[str] = "vertical"
    calls: ClassVar[list[int]] = []

    def term(self, prediction: Tensor, target: Target) -> LossTerm:
        self.calls.extend([1] * prediction.requires_grad)  # not in validation
        term = super().term(prediction, target)
        root = (prediction - prediction.detach()).sum().sqrt()  # 0, with an infinite slope
        return LossTerm(term.sum + (root if len(self.calls) >= 7 else 0.0), term.count)


def test_a_gradient_that_is_not_finite_stops_the_run_before_it_is_saved(store: Path, tmp_path: Path) -> None:
    experiment = tiny(store)
    run = trainer(replace(experiment, tasks={**experiment.tasks, "depth": Depth(loss=Vertical())}), tmp_path)
    with pytest.raises(TrainingError, match=r"norm of the gradient is \w+ at step \d \(epoch [23]\).*not touched"):
        run.run()
    folder = RunFolder(tmp_path)
    kept = checkpoint.load(folder.checkpoint)
    assert kept["step"] in (3, 6)
    best = safetensors.torch.load_file(folder.weights)
    assert all(torch.isfinite(tensor).all() for tensor in (*kept["network"].values(), *best.values()))
    assert all(p.isfinite().all() for p in run.network.parameters())


def test_weights_that_are_not_finite_are_never_saved(store: Path, tmp_path: Path) -> None:
    run = trainer(tiny(store), tmp_path)
    with torch.no_grad():
        run.network.get_parameter("stem.weight")[0, 0, 0, 0] = math.inf
    with pytest.raises(TrainingError, match=r"the network's stem\.weight is not finite.*--optimizer\.lr"):
        run.state()
    assert not RunFolder(tmp_path).checkpoint.exists()


def test_a_checkpoint_of_another_network_is_refused(store: Path, tmp_path: Path) -> None:
    runs.train(replace(tiny(store), epochs=1), tmp_path)
    with pytest.raises(
        ValueError, match=r"last\.ckpt does not fit the network.*heads\.depth\.weight is \(1, 8, 3, 3\)"
    ):
        runs.train(replace(tiny(store), network=TinyConfig(width=4)), tmp_path, resume=True)
    with pytest.raises(ValueError, match=r"these settings have changed: network\.width 4 \(8 before\)"):
        runs.train(replace(tiny(store), network=TinyConfig(width=4)), tmp_path, resume=True)
    with pytest.raises(
        ValueError, match=r"batch_size is 2, and .* was trained with 4: a run counts its epochs by batches"
    ):
        runs.train(replace(tiny(store), batch_size=2), tmp_path, resume=True)
    reversed_tasks = dict(reversed(tiny(store).tasks.items()))
    with pytest.raises(
        ValueError, match=r"the tasks are normals, depth, semseg, and .* with semseg, depth, normals: list them in this"
    ):
        runs.train(replace(tiny(store), epochs=2, tasks=reversed_tasks), tmp_path, resume=True)


STATE: dict[str, Any] = {
    "network": {"w": torch.arange(6.0).view(2, 3)},
    "optimizer": {"state": {}, "param_groups": [{"lr": 0.1, "params": [0]}]},
    "weighting": {},
    "best": None,
    "epochs_since_best": 0,
    "step": 3,
    "seconds": 0.5,
    "losses": {"depth": (1.5, 3)},
    "weights": {},
    "threads": 1,
    "processes": 1,
}
"""The smallest valid checkpoint."""


def test_a_damaged_checkpoint_is_named(tmp_path: Path) -> None:
    checkpoint.save(tmp_path / "last.ckpt", STATE)
    whole = (tmp_path / "last.ckpt").read_bytes()
    (tmp_path / "last.ckpt").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match=r"last\.ckpt is damaged"):
        checkpoint.load(tmp_path / "last.ckpt")


def test_a_checkpoint_runs_no_code(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.system, (f"touch {tmp_path / 'ran'}",)

    torch.save({"format": checkpoint.FORMAT, "network": Evil()}, tmp_path / "last.ckpt")
    with pytest.raises(ValueError, match=r"last\.ckpt is damaged or no checkpoint"):
        checkpoint.load(tmp_path / "last.ckpt")
    assert not (tmp_path / "ran").exists()


def test_a_full_disk_leaves_the_old_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoint.save(tmp_path / "last.ckpt", STATE)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match=r"could not write .*last\.ckpt: No space left.*kept"):
        checkpoint.save(tmp_path / "last.ckpt", {**STATE, "step": 4})
    assert checkpoint.load(tmp_path / "last.ckpt")["step"] == 3
    assert [path.name for path in tmp_path.iterdir()] == ["last.ckpt"]


def test_two_processes_train_as_one(tmp_path: Path) -> None:
    """Few images have depth: some batches have it on only one process, others not at all."""
    store = pack(tmp_path / "store", train=12, without_depth=(0, 1, 2, 4, 5, 6, 7, 10, 11))
    loader = trainer(tiny(store), tmp_path).train_data
    with_depth = [batch.targets["depth"].valid.flatten(1).any(1) for epoch in range(3) for batch in loader.epoch(epoch)]
    assert any(valid[0::2].any() != valid[1::2].any() for valid in with_depth)
    assert any(not valid.any() for valid in with_depth)
    runs.train(tiny(store), tmp_path / "one", quiet=True)
    train_on_both(tiny(store), tmp_path / "two")
    one, two = weights(tmp_path / "one"), weights(tmp_path / "two")
    for name in one:
        torch.testing.assert_close(one[name], two[name], rtol=1e-4, atol=1e-6)
    results = [json.loads((tmp_path / run / "result.json").read_text())["metrics"] for run in ("one", "two")]
    for name, value in results[0].items():
        assert results[1][name] == pytest.approx(value, rel=1e-2, abs=0.5)


def test_a_batch_too_small_for_the_processes_is_refused(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("taskscape.runs.build_trainer.world_size", lambda: 3)
    with pytest.raises(ValueError, match=r"batch_size is 4 on 3 processes.*make it 6 or more"):
        trainer(tiny(store), tmp_path)


def test_another_number_of_processes_changes_no_epoch_of_a_resumed_run(
    store: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for name, batch_size in (("split", 4), ("whole", 5)):
        experiment, folder = replace(tiny(store), epochs=1, batch_size=batch_size), RunFolder(tmp_path / name)
        runs.train(experiment, folder.path, quiet=True)
        checkpoint.save(folder.checkpoint, {**checkpoint.load(folder.checkpoint), "processes": 2})
    with pytest.raises(ValueError, match=r"by 2 processes, whose epochs have 2 batches, and on 1 they would have 3"):
        runs.train(replace(tiny(store), epochs=2), tmp_path / "split", resume=True, quiet=True)
    runs.train(replace(tiny(store), epochs=2, batch_size=5), tmp_path / "whole", resume=True, quiet=True)
    assert "the run used 2 processes and continues with 1" in caplog.text


def test_samples_are_arrays_without_objects(store: Path, tmp_path: Path) -> None:
    runs.train(replace(tiny(store), epochs=1), tmp_path)
    with np.load(RunFolder(tmp_path).samples(), allow_pickle=False) as arrays:
        samples = dict(arrays)
    assert samples["image"].shape == (6, 32, 48, 3) and samples["image"].dtype == np.uint8
    assert samples["depth/prediction"].shape == (6, 32, 48) and samples["depth/prediction"].dtype == np.float32
    assert samples["semseg/prediction"].shape == (6, 32, 48) and samples["semseg/prediction"].dtype == np.uint8
    assert samples["normals/label"].shape == (6, 32, 48, 3) and samples["normals/label"].dtype == np.float32


def test_data_that_lacks_a_task_is_refused_before_training(tmp_path: Path) -> None:
    experiment = tiny(pack(tmp_path / "store", fields=("depth",)))
    with pytest.raises(ValueError, match=r"tasks\.semseg: .* has no field 'semseg', it has depth"):
        runs.train(experiment, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_task_may_have_any_name_and_read_another_field(store: Path, tmp_path: Path) -> None:
    """Two tasks of one kind learn from one field; their names are the keys everywhere."""
    tasks = {"near": Depth(source="depth", max_depth=20.0), "far": Depth(source="depth")}
    result = runs.train(replace(tiny(store), tasks=tasks, epochs=1), tmp_path)
    assert {"near/abs_err", "far/abs_err"} <= result.metrics.keys() and list(result.tasks) == ["near", "far"]
    assert columns(tmp_path, "val/far/abs_err") == [[pytest.approx(result.metrics["far/abs_err"], rel=1e-5)]]
    assert set(runs.load(tmp_path).forward(torch.rand(1, 3, 32, 48)).final) == {"near", "far"}


def test_test_time_augmentation_flips_with_the_image(tmp_path: Path, store: Path) -> None:
    runs.train(tiny(store), tmp_path / "run")
    model = runs.load(tmp_path / "run", "cpu")
    image = torch.rand(2, 3, 12, 20)
    plain, flipped = model.forward_tta(image).final, model.forward_tta(image.flip(-1)).final
    alone = model.forward(image).final
    for name, task in model.tasks.items():
        torch.testing.assert_close(task.hflip(flipped[name]), plain[name])
        assert not torch.allclose(alone[name], plain[name], atol=1e-4)
    torch.testing.assert_close(flipped["normals"][:, :1].flip(-1), -plain["normals"][:, :1])  # x changes its sign
    result = runs.evaluate(tmp_path / "run", tta=True, device="cpu")
    assert result.tta and Result.load(tmp_path / "run" / "result-tta.json") == result
    usual = Result.load(tmp_path / "run" / "result.json")
    assert result.metrics != usual.metrics and result.cost["flops"] == 2 * usual.cost["flops"]
    assert not usual.tta and usual.environment == result.environment


def test_a_result_has_yardsticks_and_says_how_far_the_run_was_trained(store: Path, tmp_path: Path) -> None:
    result = runs.train(replace(tiny(store), epochs=2), tmp_path)
    assert result.progress == Progress(2, 2, finished=True)
    assert {"constant", "by position"} == result.baselines.keys()
    assert all(blind.keys() <= result.specs.keys() and "depth/abs_rel" in blind for blind in result.baselines.values())
    assert sum(result.parameters.values()) == result.cost["parameters"] and result.cost["latency"] > 0
    saved = runs.read_experiment(tmp_path)
    (tmp_path / "experiment.yaml").write_text(dump(replace(saved, epochs=5)))  # as after an interruption
    assert runs.evaluate(tmp_path, device="cpu", quiet=True).progress == Progress(2, 5, finished=False)


def test_evaluating_again_gives_the_same_result(store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trained = runs.train(replace(tiny(store), epochs=1), tmp_path)
    again = runs.evaluate(tmp_path, device="cpu", quiet=True)
    assert again.metrics == trained.metrics and again.plots == trained.plots and again.specs == trained.specs
    monkeypatch.delattr(Packed, "open")  # missing data must not be made first
    with pytest.raises(ValueError, match=r"no split 'test'; it has train, val"):
        runs.evaluate(tmp_path, split="test")
    with pytest.raises(ValueError, match=r"height is 0: it must be at least 1"):
        runs.evaluate(tmp_path, height=0)


def test_a_finished_run_is_finished_wherever_it_is(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A machine may lack what training needs, such as pretrained weights."""
    result = runs.train(replace(tiny(store), epochs=1), tmp_path / "run", quiet=True)
    monkeypatch.setattr(runs.Experiment, "check", None)
    again = runs.train(runs.read_experiment(tmp_path / "run"), tmp_path / "run", resume=True, quiet=True)
    assert again.metrics == result.metrics


def test_a_run_that_is_continued_with_other_settings_says_so(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, start = RunFolder(tmp_path / "run"), replace(tiny(store), monitor="depth/delta1")
    runs.train(start, folder.path, quiet=True)
    runs.train(replace(start, device="auto", tta="mirror"), folder.path, resume=True, quiet=True)
    assert runs.read_experiment(folder.path).continued is None  # nothing about training has changed
    text = folder.experiment.read_text()
    folder.experiment.write_text(
        text.replace("epochs: 3", "epochs: 5").replace("lr: 0.01", "lr: 0.02").replace("depth/delta1", "depth/abs_err")
    )
    for _ in range(2):
        runs.train(runs.read_experiment(folder.path), folder.path, resume=True)
    said = "epochs 5 (3 before), monitor depth/abs_err (depth/delta1 before), optimizer.lr 0.02 (0.01 before)"
    continued = runs.read_experiment(folder.path).continued or ""
    assert continued.startswith("after step 9 with ") and set(continued[18:].split(", ")) == set(said.split(", "))
    assert "continued with other settings: " in capsys.readouterr().err
    errors = {int(row["epoch"]): float(row["val/depth/abs_err"]) for row in folder.table() if int(row["epoch"]) > 3}
    assert Result.load(folder.result()).metrics["depth/abs_err"] == pytest.approx(min(errors.values()), rel=1e-6)
    assert Run.load(folder.path).best_epoch == min(errors, key=errors.__getitem__)

    again = runs.read_experiment(folder.path)
    runs.train(again, tmp_path / "again", quiet=True)  # from the start, so it is not continued
    assert runs.read_experiment(tmp_path / "again").continued is None
    assert len(group([Run.load(folder.path), Run.load(tmp_path / "again")])) == 2

    text = folder.experiment.read_text()
    folder.experiment.write_text(text.replace("batch_size: 4", "batch_size: 2").replace("epochs: 5", "epochs: 6"))
    with pytest.raises(ValueError, match=r"batch_size is 2, and .* was trained with 4"):
        runs.train(runs.read_experiment(folder.path), folder.path, resume=True, quiet=True)
