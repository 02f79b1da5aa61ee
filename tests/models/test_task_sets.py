"""Every network trains with every set of tasks, or rejects the tasks before any work."""

from dataclasses import replace
from typing import Any

import pytest
import torch

from taskscape.batch import Target
from taskscape.modalities.class_sets import CITYSCAPES_2
from taskscape.models import CONFIGS, NAMES, NetworkConfig
from taskscape.tasks import Depth, SemanticSegmentation, SurfaceNormals, Task

METERS = Depth(representation="meters", mean=0.0, std=1.0)
SETS: dict[str, dict[str, Task]] = {
    "classes": {"labels": SemanticSegmentation(CITYSCAPES_2)},
    "depth": {"range": Depth()},
    "meters": {"range": METERS},
    "normals": {"normals": SurfaceNormals()},
    "two": {"labels": SemanticSegmentation(CITYSCAPES_2), "range": Depth()},
    "two, meters": {"labels": SemanticSegmentation(CITYSCAPES_2), "range": METERS},
    "three": {"labels": SemanticSegmentation(CITYSCAPES_2), "range": METERS, "normals": SurfaceNormals()},
}
"""Tasks with a user's own names: networks know no task by name."""
BINS = ("adaptive-depth", "transformer", "cross-attention")
SMALL: dict[str, dict[str, Any]] = {name: {"widths": (8, 8, 16)} for name in NAMES if name.startswith("segnet")}
SMALL |= {name: {"encoder": "test_resnet", "blocks": 1} for name in BINS} | {"resnet-mtan": {"encoder": "resnet18"}}
SMALL |= {"dpt": {"encoder": "test_vit", "width": 16}}


def small(name: str) -> NetworkConfig:
    return CONFIGS[name](**SMALL.get(name, {"encoder": "test_resnet"}))


def target(task: Task, size: tuple[int, int]) -> Target:
    torch.manual_seed(1)
    if task.predicts_classes:
        value = torch.randint(0, task.channels, (2, *size))
    else:
        value = torch.rand(2, task.channels, *size) * 20 + 1
    return Target(task.decode(value) if task.channels == 3 else value, torch.ones(2, *size, dtype=torch.bool))


@pytest.mark.parametrize("tasks", SETS.values(), ids=SETS)
@pytest.mark.parametrize("name", NAMES)
def test_a_network_trains_or_refuses_its_tasks(name: str, tasks: dict[str, Task]) -> None:
    config = small(name)
    if name in BINS and "range" in tasks and not tasks["range"].raw_is_value:
        with pytest.raises(ValueError, match=f"{name} predicts 'range' by bins.*tasks.range.representation to meters"):
            config.check(tasks)
        return
    config.check(tasks)
    torch.manual_seed(0)
    network = config.for_tasks(tasks).build({key: task.channels for key, task in tasks.items()})
    size = (42, 58)
    final = network(torch.rand(2, 3, *size)).final
    losses = {key: task.loss.mean(task.compute_loss(final[key], target(task, size))) for key, task in tasks.items()}
    torch.stack(list(losses.values())).sum().backward()
    assert all(loss.isfinite() and loss > 0 for loss in losses.values())
    assert all(p.grad is None or p.grad.isfinite().all() for p in network.parameters())
    assert any(p.grad is not None and p.grad.any() for p in network.parameters())


@pytest.mark.parametrize("name", NAMES)
def test_tasks_are_checked_before_their_classes_are_known(name: str) -> None:
    for other in ({"range": METERS}, {"normals": SurfaceNormals()}):
        tasks: dict[str, Task] = {"labels": SemanticSegmentation(), **other}
        small(name).check(tasks)
        small(name).for_tasks(tasks)


@pytest.mark.parametrize("name", BINS)
def test_bins_may_be_chosen_or_declined(name: str) -> None:
    tasks: dict[str, Task] = {"near": METERS, "far": Depth()}
    config: Any = small(name)
    config.check(tasks)
    assert config.for_tasks(tasks).bin_tasks == ("near",)
    with pytest.raises(ValueError, match=f"{name} predicts 'far' by bins"):
        replace(config, bin_tasks=("far",)).check(tasks)
    replace(config, bin_tasks=()).check({"far": Depth()})
    with pytest.raises(ValueError, match=r"network\.bin_tasks: there is no task 'farr'; did you mean far"):
        replace(config, bin_tasks=("farr",)).check(tasks)


@pytest.mark.parametrize(
    ("name", "setting"),
    [("xtask", "class_tasks"), ("deeplab-fully-branched", "wide_tasks"), ("deeplab-distill-se", "narrow_tasks")],
)
def test_a_setting_that_lists_tasks_is_checked(name: str, setting: str) -> None:
    config: Any = replace(small(name), **{setting: ("label",)})
    with pytest.raises(ValueError, match=f"network.{setting}: there is no task 'label'; did you mean labels"):
        config.check(SETS["two"])


@pytest.mark.parametrize(("name", "setting"), [("xtask", "class_tasks"), ("deeplab-fully-branched", "wide_tasks")])
def test_tasks_say_which_of_them_predict_classes(name: str, setting: str) -> None:
    config: Any = small(name)
    assert getattr(config.for_tasks(SETS["three"]), setting) == ("labels",)
    chosen = replace(config, **{setting: ("range",)})
    assert chosen.for_tasks(SETS["three"]) == chosen
