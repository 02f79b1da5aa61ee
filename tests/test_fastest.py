"""``precision: auto``: the fastest way is chosen, cached and recorded in the run, and nothing else changes."""

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from safetensors.torch import load_file

from taskscape import runs
from taskscape.batch import Batch
from taskscape.commands.train import start
from taskscape.distributed import launch
from taskscape.run_folder import RunFolder
from taskscape.runs import Experiment
from taskscape.runs import fastest as fastest_module
from taskscape.runs.fastest import candidates, way_of, with_fastest_way
from taskscape.training.ways import Way, fastest, measure
from tiny import tiny

CPU = torch.device("cpu")
BF16, FP32 = Way("bf16", True), Way("fp32", False)


def met(experiment: Experiment) -> tuple[Experiment, Batch]:
    stores = runs.open_data(experiment, launch("cpu"), quiet=True)
    filled = experiment.for_data(stores["train"])
    return filled, next(filled.loader(stores["train"], CPU, training=True).epoch(0))


def let_be_fastest(monkeypatch: pytest.MonkeyPatch, way: Way) -> list[int]:
    """Make this way the fastest, and take each step only once; return a list that counts measurements."""
    calls: list[int] = []

    def measured(steps: Mapping[Way, Callable[[], object]], device: torch.device, **_: Any) -> dict[Way, float]:
        calls.append(len(steps))
        for step in steps.values():
            step()
        return {one: 0.5 if one == way else 1.0 for one in steps}

    monkeypatch.setattr("taskscape.runs.fastest.measure", measured)
    return calls


@pytest.fixture(autouse=True)
def own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TASKSCAPE_CACHE", str(tmp_path / "cache"))


@pytest.mark.parametrize("way", candidates(compiled=False), ids=str)
def test_the_fastest_is_taken_and_kept(store: Path, monkeypatch: pytest.MonkeyPatch, way: Way) -> None:
    experiment, batch = met(replace(tiny(store), precision="auto"))
    calls = let_be_fastest(monkeypatch, way)
    said: list[str] = []
    first = with_fastest_way(experiment, batch, CPU, said.append)
    assert (first.precision, first.channels_last, first.compile) == way
    assert replace(first, precision="auto", channels_last=experiment.channels_last) == experiment
    assert str(way) in said[0] and "0.5 s" in said[0]
    assert with_fastest_way(experiment, batch, CPU) == first
    assert calls == [4], "the second time it is known"
    other = Batch(
        batch.image[:2],
        {n: t._replace(value=t.value[:2], valid=t.valid[:2]) for n, t in batch.targets.items()},
        batch.indices[:2],
    )
    with_fastest_way(experiment, other, CPU)
    assert calls == [4, 4], "another batch is another question"
    with_fastest_way(replace(experiment, recompute_activations=True), batch, CPU)
    assert calls == [4, 4, 4], "and so are recomputed activations"


def test_other_work_does_not_decide(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def trial(_: Experiment, way: Way, __: Batch) -> Callable[[], object]:
        return lambda: time.sleep(0.05) if way == BF16 else sum(range(200_000))

    monkeypatch.setattr(fastest_module, "_trial", trial)
    experiment, batch = met(replace(tiny(store), precision="auto", channels_last=False))
    assert way_of(with_fastest_way(experiment, batch, CPU)) == BF16, "it waited for others, and computed least"


def test_a_settled_experiment_is_left_alone(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    experiment, batch = met(tiny(store))
    calls = let_be_fastest(monkeypatch, BF16)
    assert with_fastest_way(experiment, batch, CPU) is experiment
    assert not calls


def test_a_damaged_file_is_measured_again(store: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    experiment, batch = met(replace(tiny(store), precision="auto"))
    calls = let_be_fastest(monkeypatch, BF16)
    with_fastest_way(experiment, batch, CPU)
    (file,) = (tmp_path / "cache" / "fastest").glob("*.json")
    for content in ("", "{", file.read_text().replace("0.5", '"half"')):
        file.write_text(content)
        with_fastest_way(experiment, batch, CPU)
    assert len(calls) == 4


def test_a_run_records_the_choice_and_is_that_of_the_choice(
    store: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    let_be_fastest(monkeypatch, FP32)
    runs.train(replace(tiny(store), precision="auto"), tmp_path / "auto", quiet=True)
    runs.train(replace(tiny(store), precision="fp32", channels_last=False), tmp_path / "plain", quiet=True)
    saved = yaml.safe_load((tmp_path / "auto" / "experiment.yaml").read_text())
    assert (saved["precision"], saved["channels_last"]) == ("fp32", False)
    assert "precision auto: fp32, channels first" in RunFolder(tmp_path / "auto").log.read_text()
    one, other = (load_file(RunFolder(tmp_path / name).weights) for name in ("auto", "plain"))
    assert all(torch.equal(one[name], other[name]) for name in other)


def test_a_run_is_resumed_with_the_flags_it_was_started_with(
    store: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    let_be_fastest(monkeypatch, FP32)
    flags = ["data:packed", "--data.path", str(store), "--precision", "auto", "--network.encoder", "resnet10t"]
    flags += ["--network.width", "16", "--epochs", "1", "--batch-size", "2", "--device", "cpu"]
    start("joint", [*flags, "--out", str(tmp_path / "run")])
    start("joint", [*flags, "--resume", str(tmp_path / "run")])
    assert "is finished" in capsys.readouterr().out


def test_a_resumed_run_computes_as_it_began_whatever_is_fastest_now(
    store: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    experiment = replace(tiny(store), precision="auto", epochs=1)
    let_be_fastest(monkeypatch, FP32)
    runs.train(experiment, tmp_path / "run", quiet=True)
    monkeypatch.setenv("TASKSCAPE_CACHE", str(tmp_path / "another machine"))
    calls = let_be_fastest(monkeypatch, BF16)
    runs.train(replace(experiment, epochs=2), tmp_path / "run", resume=True, quiet=True)
    runs.train(replace(experiment, precision="fp32", channels_last=False, epochs=2), tmp_path / "plain", quiet=True)
    assert not calls
    one, other = (load_file(RunFolder(tmp_path / name).weights) for name in ("run", "plain"))
    assert all(torch.equal(one[name], other[name]) for name in other)


def test_what_is_not_settled_does_not_compute(store: Path) -> None:
    with pytest.raises(ValueError, match="precision is auto"):
        _ = replace(tiny(store), precision="auto").number_format


def test_a_compiled_network_must_save_a_tenth() -> None:
    assert fastest({BF16: 1.0, BF16._replace(compile=True): 0.95}) == BF16
    assert fastest({BF16: 1.0, BF16._replace(compile=True): 0.85}).compile
    assert [way.compile for way in candidates(compiled=True)].count(True) == 2


def test_all_take_turns_and_time_is_bounded() -> None:
    order: list[Way] = []
    times = measure({way: lambda way=way: order.append(way) for way in (BF16, FP32)}, CPU, seconds=0.0)
    assert order == [BF16, FP32] * 2, "one round that does not count, one that does"
    assert set(times) == {BF16, FP32}
    order.clear()
    measure({way: lambda way=way: order.append(way) for way in (BF16, FP32)}, CPU, seconds=None)
    assert order == [BF16, FP32] * 4
