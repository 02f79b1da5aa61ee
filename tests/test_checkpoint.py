"""Checkpoints and weights: any damage is detected, and missing fields are named."""

import math
import random
import re
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from torch import nn

from taskscape.state_dicts import read, read_safetensors, save_safetensors
from taskscape.training import checkpoint
from taskscape.training.optimization import AdamConfig, AdamWConfig, SGDConfig
from taskscape.weighting import DWAConfig, UncertaintyConfig


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.Conv2d(8, 4, 1))


def state() -> dict[str, Any]:
    net = network()
    optimizer = SGDConfig().build([{"params": list(net.parameters())}])
    return {
        "network": net.state_dict(),
        "optimizer": optimizer.state_dict(),
        "weighting": {},
        "best": 0.5,
        "epochs_since_best": 1,
        "step": 7,
        "seconds": 1.5,
        "losses": {"depth": (3.0, 2)},
        "weights": {},
        "threads": 2,
        "processes": 1,
    }


def equal(a: Any, b: Any) -> bool:
    if isinstance(a, torch.Tensor):
        return isinstance(b, torch.Tensor) and torch.equal(a, b)
    if isinstance(a, dict):
        return isinstance(b, dict) and a.keys() == b.keys() and all(equal(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return type(a) is type(b) and len(a) == len(b) and all(map(equal, a, b))
    return bool(a == b)


def flipped(content: bytes, count: int, seed: int) -> list[bytes]:
    """Return copies of the content, each with one random bit flipped, including some at the start and the end."""
    dice = random.Random(seed)
    positions = [dice.randrange(len(content)) for _ in range(count)] + [*range(0, 64, 5), *range(-64, 0, 3)]
    copies = []
    for position in positions:
        damaged = bytearray(content)
        damaged[position] ^= 1 << dice.randrange(8)
        copies.append(bytes(damaged))
    return copies


def test_every_flip_in_a_checkpoint_is_found(tmp_path: Path) -> None:
    path = tmp_path / "last.ckpt"
    checkpoint.save(path, state())
    assert equal(checkpoint.load(path), {"format": checkpoint.FORMAT, **state()})
    assert torch.load(path, weights_only=True)["step"] == 7  # torch reads it too
    for damaged in flipped(path.read_bytes(), 200, seed=1):
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match=r"last\.ckpt (is damaged|was written by another).*restore it from a copy"):
            checkpoint.load(path)


@pytest.mark.parametrize("cut", [0, 1, 7, 30, 1000])
def test_a_short_checkpoint_is_refused(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "last.ckpt"
    checkpoint.save(path, state())
    path.write_bytes(path.read_bytes()[: -cut or 0])
    with pytest.raises(ValueError, match=r"last\.ckpt is damaged"):
        checkpoint.load(path)


def test_every_flip_in_weights_is_found(tmp_path: Path) -> None:
    path = tmp_path / "best.safetensors"
    net = network()
    save_safetensors(path, net.state_dict())
    assert equal(safetensors.torch.load_file(path), dict(net.state_dict()))  # others read it too
    for damaged in flipped(path.read_bytes(), 200, seed=2):
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match=r"best\.safetensors is damaged"):
            checkpoint.load_weights(path, network())


def test_weights_that_are_not_there_are_trained_by_a_command_that_can_be_copied(tmp_path: Path) -> None:
    run = tmp_path / "my run"
    with pytest.raises(FileNotFoundError, match=rf"with `taskscape train --resume '{re.escape(str(run))}'`"):
        checkpoint.load_weights(run / "best.safetensors", network())


def test_weights_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "best.safetensors"
    net = network()
    with torch.no_grad():
        next(net.parameters()).flatten()[0] = math.nan
    save_safetensors(path, net.state_dict())
    with pytest.raises(ValueError, match=r"best\.safetensors: .* not finite"):
        checkpoint.load_weights(path, network())


def test_weights_of_other_programs_have_no_checksum(tmp_path: Path) -> None:
    tensors = dict(network().state_dict())
    safetensors.torch.save_file(tensors, tmp_path / "a.safetensors", {"format": "pt"})
    assert equal(read(tmp_path / "a.safetensors"), tensors)
    with pytest.raises(ValueError, match="is damaged, its checksum differs"):
        read_safetensors(tmp_path / "a.safetensors", own=True)
    safetensors.torch.save_file(tensors, tmp_path / "b.safetensors")  # as earlier versions wrote them
    assert equal(read_safetensors(tmp_path / "b.safetensors", own=True), tensors)


@pytest.mark.parametrize("name", state())
def test_a_checkpoint_that_lacks_a_field_is_refused(tmp_path: Path, name: str) -> None:
    checkpoint.save(tmp_path / "last.ckpt", {key: value for key, value in state().items() if key != name})
    with pytest.raises(ValueError, match=rf"last\.ckpt lacks '{name}'.*restore it from a copy, or train again"):
        checkpoint.load(tmp_path / "last.ckpt")


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (AdamConfig(), r"Adam with its settings: .*amsgrad, betas, .*momentum.* in only one of them"),
        (SGDConfig(momentum=0.5), r"momentum was 0\.9 and is 0\.5; resume the run with the settings"),
        (SGDConfig(weight_decay=0.5), r"weight_decay was 0\.0001 and is 0\.5"),
    ],
)
def test_the_state_of_another_optimizer_is_refused(tmp_path: Path, config: Any, message: str) -> None:
    optimizer = config.build([{"params": list(network().parameters())}])
    with pytest.raises(ValueError, match=rf"last\.ckpt does not fit the optimizer.*{message}"):
        checkpoint.load_optimizer(optimizer, state()["optimizer"], tmp_path / "last.ckpt")


def test_adam_is_told_from_adamw(tmp_path: Path) -> None:
    saved = AdamConfig(weight_decay=0.1).build([{"params": list(network().parameters())}]).state_dict()
    optimizer = AdamWConfig(weight_decay=0.1).build([{"params": list(network().parameters())}])
    with pytest.raises(ValueError, match=r"decoupled_weight_decay was False and is True"):
        checkpoint.load_optimizer(optimizer, saved, tmp_path / "last.ckpt")


def test_other_parameters_are_refused(tmp_path: Path) -> None:
    optimizer = SGDConfig().build([{"params": list(network().parameters())[:2]}])
    with pytest.raises(ValueError, match="the numbers of parameters differ"):
        checkpoint.load_optimizer(optimizer, state()["optimizer"], tmp_path / "last.ckpt")


def test_the_state_of_another_weighting_is_refused(tmp_path: Path) -> None:
    tasks = ("semseg", "depth")
    saved = UncertaintyConfig().build(tasks, 0).state_dict()
    with pytest.raises(ValueError, match=r"last\.ckpt does not fit the weighting DWA .*settings that it was"):
        checkpoint.load_weighting(DWAConfig().build(tasks, 0), saved, tmp_path / "last.ckpt")
