"""Recipes: every network has one, and every one survives being saved."""

import pytest

from taskscape import models, recipes, runs
from taskscape.commands.recipes import read_recipe
from taskscape.commands.recipes import recipes as listed
from taskscape.runs import Experiment
from taskscape.serialization import dump, parse

ALL = [*listed(), *models.NAMES]


@pytest.mark.parametrize("name", ALL)
def test_a_recipe_is_saved_and_read_back(name: str) -> None:
    experiment = read_recipe(name)
    assert parse(dump(experiment), f"{name}.yaml", Experiment) == experiment


@pytest.mark.parametrize("name", ALL)
def test_network_tasks_and_weighting_of_a_recipe_fit(name: str) -> None:
    read_recipe(name).check()


@pytest.mark.parametrize("name", models.NAMES)
def test_every_network_has_a_recipe(name: str) -> None:
    experiment = read_recipe(name)
    assert experiment.network.name == name
    assert experiment.optimizer == recipes.joint().optimizer


@pytest.mark.parametrize("name", ["adaptive_depth", "transformer", "cross_attention"])
def test_networks_that_put_out_metres_have_tasks_that_take_them(name: str) -> None:
    assert getattr(recipes, name)().tasks["depth"].raw_is_value


def test_single_tasks_are_the_joint_network_with_one_task() -> None:
    joint, semseg, depth = recipes.joint(), recipes.semseg_only(), recipes.depth_only()
    assert joint.network == semseg.network == depth.network
    assert {**semseg.tasks, **depth.tasks} == joint.tasks


@pytest.mark.parametrize("name", ["cross-attention", "deeplab-joint"])
def test_operations_are_counted_in_an_evaluation(name: str) -> None:
    network = models.build(name, {"semseg": 3, "depth": 1}, encoder="resnet10t").eval()
    assert runs.flops(network, (32, 64)) > 1e6
