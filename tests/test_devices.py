"""Names of devices, and messages for missing devices."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from taskscape import runs
from taskscape.devices import constant, find_device, with_float64
from taskscape.distributed import launch
from tiny import tiny


def test_auto_is_a_gpu_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert find_device() == torch.device("cpu")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert find_device() == find_device("cuda") == torch.device("cuda")
    assert find_device("cuda:1") == find_device(torch.device("cuda:1")) == torch.device("cuda", 1)
    with pytest.raises(ValueError, match="device is cuda:2, but there is no GPU number 2; there is cuda:0, cuda:1"):
        find_device("cuda:2")


@pytest.mark.parametrize("name", ["cuda", "cuda:1", "mps"])
def test_a_device_that_is_not_there_is_refused_before_any_work(
    name: str, store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    for refused in (
        lambda: launch(name),
        lambda: runs.train(replace(tiny(store), device=name), tmp_path / "run"),
    ):
        with pytest.raises(ValueError, match=rf"device is {name}, but torch finds no (Apple )?GPU.*use --device cpu"):
            refused()
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("name", ["gpu", "cuda:", "cuda:-1", "cuda 1", ""])
def test_other_names_are_refused(name: str, store: Path) -> None:
    with pytest.raises(ValueError, match="must be auto, cpu, cuda, cuda:N with the number of a GPU, or mps"):
        replace(tiny(store), device=name)


def test_sums_of_64_bits_are_on_the_cpu_where_the_device_has_none() -> None:
    assert with_float64(torch.device("mps")) == with_float64(torch.device("cpu")) == torch.device("cpu")
    assert with_float64(torch.device("cuda", 1)) == torch.device("cuda", 1)


def test_a_constant_is_made_once() -> None:
    like = torch.ones(1)
    with torch.inference_mode():
        first = constant([1.0, 2.0], like)
    assert constant((1.0, 2.0), like) is first and constant([1.0, 2.0], like.double()) is not first
    x = torch.ones(2, requires_grad=True)
    (x * first).sum().backward()
    assert x.grad is not None and x.grad.tolist() == [1.0, 2.0]
