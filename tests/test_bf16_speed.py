"""``precision: fast``: bf16 where it is faster than fp32, otherwise fp32, in new and loaded runs."""

import os
import platform
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import yaml

from taskscape import runs
from taskscape.run_folder import RunFolder
from taskscape.runs import Experiment
from taskscape.runs.same_settings import different_settings
from taskscape.runs.trained_model import load, read_experiment
from taskscape.training import bf16_speed
from tiny import tiny

CPU = torch.device("cpu")


def let_bf16_take(monkeypatch: pytest.MonkeyPatch, slowdown: float) -> None:
    """Pretend that bf16 takes so many times as long as fp32 on this machine."""
    monkeypatch.setattr(bf16_speed, "bf16_slowdown", lambda device: slowdown)


def logged(run: Path) -> str:
    return RunFolder(run).log.read_text()


@pytest.mark.skipif(platform.machine() != "x86_64", reason="these are settings of x86 processors")
def test_a_processor_with_avx2_only_computes_in_fp32(tmp_path: Path) -> None:
    code = "from taskscape.runs import Experiment; print(Experiment(device='cpu').number_format)"
    environment = {"ONEDNN_MAX_CPU_ISA": "AVX2", "ATEN_CPU_CAPABILITY": "avx2", "TASKSCAPE_CACHE": str(tmp_path)}
    result = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | environment, check=True, capture_output=True, text=True
    )
    assert result.stdout == "fp32\n"


@pytest.mark.parametrize(("slowdown", "precision"), [(0.5, "bf16"), (8.0, "fp32"), (float("inf"), "fp32")])
def test_a_run_takes_the_faster_precision_and_records_it(
    store: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, slowdown: float, precision: str
) -> None:
    let_bf16_take(monkeypatch, slowdown)
    result = runs.train(replace(tiny(store), precision="fast", epochs=1), tmp_path, quiet=True)
    assert yaml.safe_load((tmp_path / "experiment.yaml").read_text())["precision"] == precision
    assert result.environment["precision"] == precision
    assert ("so this run computes in fp32" in logged(tmp_path)) == (precision == "fp32")


def test_fast_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    let_bf16_take(monkeypatch, 0.5)
    assert (Experiment().precision, Experiment().number_format) == ("fast", "bf16")
    let_bf16_take(monkeypatch, 2.0)
    assert Experiment().number_format == "fp32"


def test_slow_bf16_is_used_where_it_is_asked_for_with_a_remark(
    store: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    let_bf16_take(monkeypatch, 8.0)
    runs.train(replace(tiny(store), precision="bf16", epochs=1), tmp_path, quiet=True)
    assert read_experiment(tmp_path).precision == "bf16"
    assert "bf16 takes 8.0 times as long as fp32 on this machine; --precision fp32 is" in logged(tmp_path)


def test_a_resumed_run_keeps_its_precision_on_another_machine(
    store: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    experiment = replace(tiny(store), precision="fast", epochs=1)
    let_bf16_take(monkeypatch, 8.0)
    runs.train(experiment, tmp_path, quiet=True)
    assert different_settings(read_experiment(tmp_path), experiment) == []
    let_bf16_take(monkeypatch, 0.5)
    runs.train(replace(experiment, epochs=2), tmp_path, resume=True, quiet=True)
    assert read_experiment(tmp_path).precision == "fp32"


def test_a_network_trained_in_bf16_predicts_in_fp32_where_that_is_faster(
    store: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    let_bf16_take(monkeypatch, 0.5)
    runs.train(replace(tiny(store), precision="bf16", epochs=1), tmp_path, quiet=True)
    images = torch.rand(2, 3, 16, 32, generator=torch.Generator().manual_seed(0))
    rounded = load(tmp_path, "cpu").forward(images)
    let_bf16_take(monkeypatch, 8.0)
    with caplog.at_level("INFO", "taskscape"):
        model = load(tmp_path, "cpu")
    assert "so the network computes in fp32" in caplog.text
    exact = model.forward(images)
    assert torch.equal(exact["depth"], model.network(images)["depth"])
    torch.testing.assert_close(rounded["depth"].float(), exact["depth"], rtol=0.05, atol=0.05)
    assert read_experiment(tmp_path).precision == "bf16"


def test_the_speed_is_measured_once_per_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TASKSCAPE_CACHE", str(tmp_path))
    measured = iter([3.0])
    monkeypatch.setattr(bf16_speed, "_measured", lambda device: next(measured))
    for _ in range(2):
        bf16_speed.bf16_slowdown.cache_clear()
        assert bf16_speed.bf16_slowdown(CPU) == 3.0
    bf16_speed.bf16_slowdown.cache_clear()


def test_a_device_without_bf16_is_infinitely_slow_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object, **__: object) -> dict[str, float]:
        raise RuntimeError("not implemented for BFloat16")

    monkeypatch.setattr(bf16_speed, "seconds_of", fails)
    assert bf16_speed._measured(CPU) == float("inf")
    let_bf16_take(monkeypatch, float("inf"))
    assert bf16_speed.slow_bf16(CPU) == "this device has no bf16"
