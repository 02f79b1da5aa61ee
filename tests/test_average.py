"""The average of weights: its formula, its validation and storage in a run, and resuming."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from taskscape import runs
from taskscape.errors import Interrupted
from taskscape.run_folder import RunFolder
from taskscape.runs import Experiment
from taskscape.state_dicts import read_safetensors
from taskscape.training import checkpoint
from taskscape.training.average import WeightAverage
from tiny import tiny, trainer


def with_average(store: Path) -> Experiment:
    start = tiny(store)
    return replace(start, ema=0.8, epochs=2, optimizer=replace(start.optimizer, lr=0.05), train_metrics=0.0)


def network() -> nn.Sequential:
    torch.manual_seed(0)
    frozen = nn.Conv2d(4, 4, 1)
    frozen.requires_grad_(False)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), frozen)


def changed(net: nn.Module) -> None:
    """Change all trainable tensors of a network."""
    with torch.no_grad():
        for parameter in net.parameters():
            if parameter.requires_grad:
                parameter.add_(torch.randn_like(parameter))
    net.train()(torch.randn(2, 3, 8, 8))


def test_the_average_is_that_of_its_formula() -> None:
    net = network()
    average = WeightAverage(net, 0.4)
    expected: dict[str, torch.Tensor] = {}
    for step in range(1, 9):
        changed(net)
        average.update(step)
        decay = min(0.4, (1 + step) / (10 + step))
        now = {name: tensor.detach().double() for name, tensor in net.state_dict().items()}
        expected = {name: decay * expected.get(name, x) + (1 - decay) * x for name, x in now.items()}
    assert average.tensors.keys() == {name for name in now if not name.startswith("2.")}  # frozen weights are left out
    for name, tensor in average.tensors.items():
        wanted = now[name] if name.endswith("num_batches_tracked") else expected[name]
        torch.testing.assert_close(tensor.double(), wanted, rtol=1e-5, atol=1e-6)


def test_a_network_has_its_own_weights_again_after_the_average() -> None:
    net = network()
    average = WeightAverage(net, 0.9)
    for step in (1, 2, 3):
        changed(net)
        average.update(step)
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    with pytest.raises(RuntimeError, match="on the way"), average.applied():
        assert not torch.equal(net[0].weight, before["0.weight"])
        assert torch.equal(net[0].weight, average.tensors["0.weight"])
        assert torch.equal(net[1].running_mean, average.tensors["1.running_mean"])
        raise RuntimeError("on the way")
    assert all(torch.equal(tensor, before[name]) for name, tensor in net.state_dict().items())


def test_a_run_counts_its_steps_from_one(store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[int] = []
    update = WeightAverage.update
    monkeypatch.setattr(WeightAverage, "update", lambda self, step: (steps.append(step), update(self, step))[1])
    run = trainer(with_average(store), tmp_path / "run")
    run.run()
    assert steps == list(range(1, run.step + 1))


def test_a_run_measures_and_keeps_the_average_beside_its_weights(store: Path, tmp_path: Path) -> None:
    averaged = trainer(with_average(store), tmp_path / "averaged")
    plain = trainer(replace(with_average(store), ema=0.0), tmp_path / "plain")
    averaged.run()
    plain.run()
    # Training is the same: averaging and evaluating do not affect it.
    assert all(torch.equal(x, plain.network.state_dict()[name]) for name, x in averaged.network.state_dict().items())
    rows = [RunFolder(tmp_path / name).metric_rows() for name in ("averaged", "plain")]
    for row, of_weights in zip(*rows, strict=True):
        for metric in ("semseg/miou", "depth/abs_rel", "normals/mean"):
            assert float(row[f"not_averaged/{metric}"]) == pytest.approx(float(of_weights[f"val/{metric}"]), rel=1e-6)
        assert row["val/loss/depth"] != of_weights["val/loss/depth"]
        assert not any(name.startswith("not_averaged") for name in of_weights)
    kept = read_safetensors(RunFolder(tmp_path / "averaged").weights, own=True)
    best = max(range(2), key=lambda epoch: float(rows[0][epoch]["val/semseg/miou"]))
    assert averaged.average is not None
    if best == 1:  # the average of the last epoch
        assert all(torch.equal(kept[name], x) for name, x in averaged.average.tensors.items())
    assert not torch.equal(kept["stem.weight"], averaged.network.state_dict()["stem.weight"])
    result = runs.train(with_average(store), tmp_path / "whole", quiet=True)
    assert result.metrics["semseg/miou"] == pytest.approx(float(rows[0][best]["val/semseg/miou"]), rel=1e-6)


def test_a_resumed_run_has_the_same_average(store: Path, tmp_path: Path) -> None:
    experiment = with_average(store)
    whole = trainer(experiment, tmp_path / "whole")
    whole.run()
    run = tmp_path / "stopped"
    first = trainer(experiment, run)
    first.interrupts.requested_anywhere = lambda device: first.step == 2  # type: ignore[method-assign]
    with pytest.raises(Interrupted):
        first.run()
    saved = checkpoint.load(RunFolder(run).checkpoint)
    second = trainer(experiment, run)
    assert second.load_state(saved) == []
    second.run()
    assert whole.average is not None and second.average is not None
    assert second.average.tensors.keys() == whole.average.tensors.keys()
    assert all(torch.equal(x, whole.average.tensors[name]) for name, x in second.average.tensors.items())
    weights = [read_safetensors(RunFolder(path).weights, own=True) for path in (tmp_path / "whole", run)]
    assert all(torch.equal(x, weights[1][name]) for name, x in weights[0].items())

    with pytest.raises(ValueError, match=r"last\.ckpt has an average of weights: resume the run with the ema"):
        trainer(replace(experiment, ema=0.0), run).load_state(saved)
    del saved["average"]
    with pytest.raises(ValueError, match=r"last\.ckpt has no average of weights: resume the run with the ema"):
        trainer(experiment, run).load_state(saved)
    with pytest.raises(ValueError, match=r"last\.ckpt: the average of weights belongs to another network: heads"):
        second.average.load_state({"stem.weight": torch.zeros(1)}, RunFolder(run).checkpoint)


@pytest.mark.parametrize("decay", [1.0, -0.1, float("nan")])
def test_a_decay_that_keeps_the_first_weights_is_refused(store: Path, decay: float) -> None:
    with pytest.raises(ValueError, match=r"ema is .*: it must be at least 0 and below 1"):
        replace(tiny(store), ema=decay)
