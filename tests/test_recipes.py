"""Recipes: every network has one, and every one survives being saved."""

import pytest

from taskscape import models, recipes, runs
from taskscape.commands.recipes import recipes as listed
from taskscape.runs.experiment import Experiment
from taskscape.modalities.class_sets import CITYSCAPES_19
from taskscape.serialization import dump, parse


@pytest.mark.parametrize("name", listed())
def test_a_recipe_is_saved_and_read_back(name: str) -> None:
    experiment = getattr(recipes, name)()
    assert parse(dump(experiment), f"{name}.yaml", Experiment) == experiment


def test_every_network_has_a_recipe() -> None:
    assert {getattr(recipes, name)().network.name for name in listed()} == set(models.NAMES)


@pytest.mark.parametrize("name", ["adaptive_depth", "transformer", "cross_attention"])
def test_networks_that_put_out_metres_have_tasks_that_take_them(name: str) -> None:
    depth = getattr(recipes, name)().tasks.depth
    assert (depth.representation, *depth.normalisation) == ("metres", 0.0, 1.0)


def test_single_tasks_are_the_joint_network_with_one_task() -> None:
    joint, semseg, depth = recipes.joint(), recipes.semseg_only(), recipes.depth_only()
    assert joint.network == semseg.network == depth.network
    assert list(semseg.tasks.by_name()) == ["semseg"]
    assert list(depth.tasks.by_name()) == ["depth"]
    assert joint.tasks.semseg is not None
    assert joint.tasks.semseg.classes_of_data(CITYSCAPES_19).channels == 19


@pytest.mark.parametrize("name", ["cross-attention", "deeplab-joint"])
def test_operations_are_counted_in_an_evaluation(name: str) -> None:
    network = models.build(name, {"semseg": 3, "depth": 1}, encoder="resnet10t").eval()
    assert runs.flops(network, (32, 64)) > 1e6
