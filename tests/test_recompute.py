"""Recomputed activations: the same weights, bit for bit, with less memory."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from taskscape import models, runs
from taskscape.batch import Batch
from taskscape.distributed import launch
from taskscape.models import DeeplabJointConfig, NetworkConfig, SegnetMtanConfig
from taskscape.runs import Experiment
from taskscape.runs.build_step import build_step
from taskscape.training.recompute import recompute_activations
from taskscape.weighting import FixedConfig, PCGradConfig, WeightingConfig
from tiny import tiny

CPU = torch.device("cpu")
SMALL: dict[str, dict[str, Any]] = {name: {"widths": (8, 8, 16, 32, 32)} for name in models.NAMES if "segnet" in name}
SMALL |= {name: {"encoder": "resnet18"} for name in ("resnet-mtan", "deeplab-plain", "dpt")}
JOINT = DeeplabJointConfig(encoder="resnet10t", width=16)


def met(store: Path, network: NetworkConfig, weighting: WeightingConfig | None = None) -> tuple[Experiment, Batch]:
    experiment = replace(tiny(store), network=network, weighting=weighting or FixedConfig(), precision="bf16")
    stores = runs.open_data(experiment, launch("cpu"), quiet=True)
    filled = experiment.for_data(stores["train"])
    return filled, next(filled.loader(stores["train"], CPU, training=True).epoch(0))


def trained(experiment: Experiment, batch: Batch, steps: int = 2) -> dict[str, torch.Tensor]:
    step = build_step(experiment, CPU)
    for index in range(steps):
        step(batch, index)
    return step.network.state_dict()


@pytest.mark.parametrize("weighting", [FixedConfig(), PCGradConfig()], ids=lambda config: config.name)
@pytest.mark.parametrize(
    "network",
    [
        JOINT,
        SegnetMtanConfig(widths=(8, 8, 8, 8, 8)),
        DeeplabJointConfig(encoder="tf_efficientnet_lite0", width=16, output_stride=8),
    ],
    ids=lambda config: config.name + getattr(config, "encoder", ""),
)
def test_the_same_weights_and_statistics(store: Path, network: NetworkConfig, weighting: WeightingConfig) -> None:
    experiment, batch = met(store, network, weighting)
    kept = trained(experiment, batch)
    again = trained(replace(experiment, recompute_activations=True), batch)
    assert kept.keys() == again.keys()
    for name, value in kept.items():
        assert torch.equal(value, again[name]), name


def saved_bytes(network: nn.Module, image: torch.Tensor) -> int:
    """Return the bytes that autograd keeps of a forward pass, besides the parameters."""
    own = {parameter.data_ptr() for parameter in network.parameters()}
    kept: dict[int, int] = {}

    def pack(x: torch.Tensor) -> torch.Tensor:
        if x.data_ptr() not in own:
            kept[x.data_ptr()] = x.untyped_storage().nbytes()
        return x

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda x: x):
        outputs = network.train()(image)
    assert all(map_.requires_grad for map_ in outputs.values())
    return sum(kept.values())


@pytest.mark.parametrize("name", models.NAMES)
def test_less_is_kept(name: str) -> None:
    image = torch.rand(2, 3, 64, 64)
    torch.manual_seed(0)
    network = models.build(name, {"semseg": 19, "depth": 1}, **SMALL.get(name, {"encoder": "test_resnet"}))
    before = saved_bytes(network, image)
    segments = recompute_activations(network)
    assert len(segments) >= 4
    assert saved_bytes(network, image) < 0.8 * before


def test_evaluation_is_as_it_was() -> None:
    image = torch.rand(1, 3, 64, 96)
    torch.manual_seed(0)
    network = JOINT.build({"semseg": 5, "depth": 1})
    state = {name: value.clone() for name, value in network.state_dict().items()}
    before = network.eval()(image)["semseg"]
    recompute_activations(network)
    assert not network.training
    assert all(torch.equal(value, state[name]) for name, value in network.state_dict().items())
    assert torch.equal(network(image)["semseg"], before)
