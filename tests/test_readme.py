"""What the README shows works."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor, nn

from taskscape import recipes, runs
from taskscape.cli import COMMANDS
from taskscape.runs.experiment import Experiment
from taskscape.models.layers.blocks import conv_norm_relu, resize_like
from taskscape.models.layers.encoder import Encoder, EncoderConfig
from taskscape.models.base import Network, Outputs

README = (Path(__file__).parents[1] / "README.md").read_text()
PYTHON = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
SHELL = "\n".join(re.findall(r"```bash\n(.*?)```", README, re.DOTALL))


def test_the_example_in_python_trains_what_it_says(monkeypatch: pytest.MonkeyPatch) -> None:
    trained: list[Experiment] = []

    def train(experiment: Experiment, run: Path) -> SimpleNamespace:
        trained.append(experiment)
        return SimpleNamespace(metrics={"semseg/miou": 1.0, "depth/si_log_rmse": 2.0})

    monkeypatch.setattr(runs, "train", train)
    exec(PYTHON[0], {})
    assert trained[0].network.name == "deeplab-branched"
    assert trained[0].weighting.name == "uncertainty"
    assert set(trained[0].tasks.by_name()) == {"semseg", "depth", "normals"}


def test_the_network_of_the_example_is_one() -> None:
    names: dict[str, Any] = {
        "dataclass": dataclass, "ClassVar": ClassVar, "Mapping": Mapping, "nn": nn, "Tensor": Tensor,
        "EncoderConfig": EncoderConfig, "Encoder": Encoder, "Network": Network, "Outputs": Outputs,
        "conv_norm_relu": conv_norm_relu, "resize_like": resize_like,
    }  # fmt: skip
    exec(PYTHON[1], names)
    network = names["Mine"](encoder="resnet10t").build({"semseg": 5, "depth": 1})
    final = network(torch.rand(2, 3, 40, 70)).final
    assert {task: tuple(raw.shape) for task, raw in final.items()} == {
        "semseg": (2, 5, 40, 70),
        "depth": (2, 1, 40, 70),
    }
    assert network.shared_parameters()


def test_every_command_and_recipe_that_is_named_exists() -> None:
    commands = set(re.findall(r"^(?:.*&& )?taskscape (\w+)", SHELL, re.MULTILINE))
    assert commands <= set(COMMANDS)
    assert {"demo", "train", "predict", "compare", "synth"} <= commands
    for recipe in re.findall(r"taskscape train (\w+)(?= )", SHELL):
        assert callable(getattr(recipes, recipe))


def test_every_file_that_is_linked_exists() -> None:
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", README):
        assert (Path(__file__).parents[1] / target).exists(), target
