"""Runs with partly or completely frozen, or adapted, encoders: every weighting, and saving and loading."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from taskscape import models, runs
from taskscape.batch import Batch
from taskscape.modalities.class_sets import CITYSCAPES_2
from taskscape.models import (
    DeeplabBranchedConfig,
    DeeplabDistillConfig,
    DeeplabJointConfig,
    DeeplabPlainConfig,
    NetworkConfig,
)
from taskscape.objectives import Supervised
from taskscape.run_folder import RunFolder
from taskscape.runs import Experiment
from taskscape.state_dicts import read
from taskscape.state_dicts.low_rank import merged
from taskscape.tasks import Depth, SemanticSegmentation, Task
from taskscape.training.optimization import AdamWConfig, build_optimizer
from taskscape.training.step import TrainingStep
from taskscape.weighting import CONFIGS, GradientWeighting, GradNormConfig, PCGradConfig, WeightingConfig
from test_step import batch
from tiny import tiny

TASKS: dict[str, Task] = {"semseg": SemanticSegmentation(CITYSCAPES_2), "depth": Depth()}
CHANNELS = {name: task.channels for name, task in TASKS.items()}
ENCODERS: dict[str, dict[str, Any]] = {
    "frozen": {"encoder": "test_resnet", "freeze": "all"},
    "frozen in part": {"encoder": "test_resnet", "freeze": 2},
    "adapted": {"encoder": "test_vit", "lora": 2},
}
NEEDS_SHARED = {name for name, config in CONFIGS.items() if issubclass(config.weighting, GradientWeighting)}
NEEDS_SHARED |= {"gradnorm", "excess-mtl"}


def step(weighting: WeightingConfig, network: models.Network) -> TrainingStep:
    built = weighting.build(tuple(TASKS))
    optimizer = build_optimizer(AdamWConfig(weight_decay=0.1), network, built)
    return TrainingStep(network, TASKS, Supervised(), built, optimizer, seed=0)


def data() -> Batch:
    return batch()


def state(network: models.Network) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in network.state_dict().items()}


@pytest.mark.parametrize("encoder", ENCODERS)
@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize("mode", ["parameters", "features"])
def test_every_method_trains_what_is_not_frozen(name: str, encoder: str, mode: str) -> None:
    config: Any = CONFIGS[name]()
    if mode == "features":
        if not hasattr(config, "mode"):
            return
        config = replace(config, mode=mode)
    torch.manual_seed(0)
    network = models.build("deeplab-branched", CHANNELS, output_stride=16, **ENCODERS[encoder])
    before = state(network)
    taken = step(config, network)
    if encoder == "frozen" and name in NEEDS_SHARED:
        with pytest.raises(ValueError, match="share"):
            taken(data(), 0)
        return
    for index in range(2):
        taken(data(), index)
    after = network.state_dict()
    for key, parameter in network.named_parameters():
        if not parameter.requires_grad:
            assert parameter.grad is None and torch.equal(after[key], before[key])
    reached = [
        key for key, p in network.named_parameters() if p.requires_grad and not torch.equal(after[key], before[key])
    ]
    assert any(key.startswith("branches.") for key in reached)
    assert any(key.startswith("encoder.") for key in reached) == (encoder != "frozen")


@pytest.mark.parametrize("weighting", [PCGradConfig(), PCGradConfig(mode="features"), GradNormConfig()])
def test_what_shares_no_trained_layer_is_refused_before_any_work(store: Path, weighting: WeightingConfig) -> None:
    experiment = replace(tiny(store), weighting=weighting, network=DeeplabBranchedConfig(**ENCODERS["frozen"]))
    with pytest.raises(ValueError, match="share"):
        experiment.check()
    replace(experiment, network=DeeplabJointConfig(**ENCODERS["frozen"])).check()
    replace(experiment, network=DeeplabBranchedConfig(**ENCODERS["frozen in part"])).check()


def test_gradnorm_needs_a_last_layer_that_is_trained(store: Path) -> None:
    """The last layer of task distillation is in the encoder, although its decoders are shared too."""
    experiment = replace(tiny(store), network=DeeplabDistillConfig(**ENCODERS["frozen"]))
    with pytest.raises(ValueError, match="share no trained layer"):
        replace(experiment, weighting=GradNormConfig()).check()
    replace(experiment, weighting=PCGradConfig()).check()


def test_rates_of_an_encoder_are_checked_before_any_work(store: Path) -> None:
    with pytest.raises(ValueError, match=r"optimizer\.encoder_lr is 0\.1 .* has no encoder"):
        replace(tiny(store), optimizer=AdamWConfig(encoder_lr=0.1)).check()


def experiment(store: Path, network: NetworkConfig, **changes: Any) -> Experiment:
    return replace(tiny(store), network=network, epochs=1, precision="bf16", **changes)


@pytest.mark.parametrize("encoder", ENCODERS)
def test_a_run_and_one_that_starts_from_it(store: Path, tmp_path: Path, encoder: str) -> None:
    """It trains, evaluates and loads, and another run starts from all of it, or from its encoder only."""
    network = DeeplabPlainConfig(output_stride=32, **ENCODERS[encoder])
    first = runs.train(experiment(store, network), tmp_path / "first", quiet=True)
    again = runs.evaluate(tmp_path / "first", quiet=True)
    assert again.metrics == pytest.approx(first.metrics)
    assert "parameters of the encoder" in RunFolder(tmp_path / "first").log.read_text()

    plain = DeeplabJointConfig(encoder=network.encoder, output_stride=32, pretrained=tmp_path / "first")
    runs.train(experiment(store, plain), tmp_path / "second", quiet=True)
    assert "tensors of the encoder" in RunFolder(tmp_path / "second").log.read_text()

    optimizer = AdamWConfig(lr=1e-3, encoder_lr=0.1)
    continued = experiment(store, network, start_from=tmp_path / "first", optimizer=optimizer)
    runs.train(continued, tmp_path / "third", quiet=True)
    assert "started from" in RunFolder(tmp_path / "third").log.read_text()
    weights = [merged(read(tmp_path / run)) for run in ("first", "third")]
    stem = [key for key in weights[0] if key.endswith(("backbone.conv1.0.weight", "patch_embed.proj.weight"))]
    assert stem and all(torch.equal(weights[0][key], weights[1][key]) for key in stem)
    trained = RunFolder(tmp_path / "third").metric_rows()[0], RunFolder(tmp_path / "first").metric_rows()[0]
    assert float(trained[0]["train/loss/depth"]) < float(trained[1]["train/loss/depth"])
