"""Recipes: every network has one, and all can be saved and loaded."""

from dataclasses import replace
from typing import Any

import pytest

from taskscape import models, recipes, runs, weighting
from taskscape.commands.recipes import read_recipe
from taskscape.commands.recipes import summaries as listed
from taskscape.losses import SILog
from taskscape.runs import Experiment
from taskscape.serialization import dump, parse
from taskscape.tasks import Depth

ALL = [*(name for name in listed() if "/" not in name), *models.NAMES]
"""Published experiments are in tests/test_published.py."""


@pytest.mark.parametrize("name", ALL)
def test_a_recipe_is_saved_and_read_back(name: str) -> None:
    experiment = read_recipe(name)
    assert parse(dump(experiment), f"{name}.yaml", Experiment) == experiment


@pytest.mark.parametrize("name", ALL)
def test_network_tasks_and_weighting_of_a_recipe_fit(name: str) -> None:
    experiment = read_recipe(name)
    replace(experiment, network=experiment.network.from_scratch()).check()  # weights may not be on this machine


@pytest.mark.parametrize("name", models.NAMES)
def test_every_network_has_a_recipe(name: str) -> None:
    experiment = read_recipe(name)
    assert experiment.network.name == name
    assert experiment.optimizer == recipes.joint().optimizer


@pytest.mark.parametrize("name", ["adaptive_depth", "transformer", "cross_attention"])
def test_networks_that_put_out_meters_have_tasks_that_take_them(name: str) -> None:
    assert getattr(recipes, name)().tasks["depth"].raw_is_value


def test_single_tasks_are_the_joint_network_with_one_task() -> None:
    joint, semseg, depth = recipes.joint(), recipes.semseg_only(), recipes.depth_only()
    assert joint.network == semseg.network == depth.network
    assert {**semseg.tasks, **depth.tasks} == joint.tasks


@pytest.mark.parametrize("name", ["cross-attention", "deeplab-joint"])
def test_operations_are_counted_in_an_evaluation(name: str) -> None:
    network = models.build(name, {"semseg": 3, "depth": 1}, encoder="resnet10t").eval()
    assert runs.flops(network, (32, 64)) > 1e6


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"network": models.DeeplabJointConfig(encoder="resnet-18")}, "timm has no model 'resnet-18'"),
        ({"network": models.TransformerConfig(heads=7)}, "heads"),
        (
            {"weighting": weighting.PCGradConfig(mode="features"), "network": models.SegnetMtanConfig()},
            "no shared features",
        ),
        ({"weighting": weighting.GradNormConfig(), "network": models.SegnetSingleConfig()}, "share"),
    ],
)
def test_what_does_not_fit_is_refused_before_data_are_made(changes: dict[str, Any], message: str) -> None:
    experiment = replace(recipes.joint(), **changes)
    if "Transformer" in type(experiment.network).__name__:
        experiment = replace(experiment, tasks=recipes.transformer().tasks)
    with pytest.raises(ValueError, match=message):
        experiment.check()


def test_meters_from_zero_are_refused_where_they_have_no_gradient() -> None:
    meters = recipes.adaptive_depth().tasks  # with a loss of meters
    with pytest.raises(ValueError, match=r"tasks\.depth would not learn: deeplab-joint starts"):
        replace(recipes.joint(), tasks=meters).check()
    replace(recipes.joint(), tasks={**meters, "depth": Depth("meters", loss=SILog())}).check()
    replace(recipes.joint(), tasks={**meters, "depth": Depth("inverse", loss=SILog())}).check()
