"""The supervised objective."""

import torch

from taskscape.batch import Target
from taskscape.modalities.class_sets import CITYSCAPES_2
from taskscape.objectives.supervised import Supervised, present
from taskscape.tasks import Depth, SemanticSegmentation, Task

TASKS: dict[str, Task] = {"semseg": SemanticSegmentation(CITYSCAPES_2), "depth": Depth()}


def targets() -> dict[str, Target]:
    return {
        "semseg": Target(torch.randint(0, 2, (2, 4, 5)), torch.rand(2, 4, 5) < 0.7),
        "depth": Target(torch.rand(2, 1, 4, 5) * 30 + 1, torch.zeros(2, 4, 5, dtype=torch.bool)),
    }


def test_a_task_without_a_valid_pixel_is_not_present() -> None:
    assert present(targets()) == ["semseg"]


def test_a_task_loss_is_the_mean_over_its_predictions() -> None:
    torch.manual_seed(0)
    final = {"semseg": torch.randn(2, 2, 4, 5), "depth": torch.randn(2, 1, 4, 5)}
    initial = {"semseg": torch.randn(2, 2, 4, 5)}
    truth = targets()
    truth["depth"] = Target(truth["depth"].value, torch.ones(2, 4, 5, dtype=torch.bool))
    losses = Supervised()(TASKS, final, {"initial": initial}, truth)
    each = [TASKS["semseg"].loss_of(raw["semseg"], truth["semseg"]) for raw in (final, initial)]
    torch.testing.assert_close(losses["semseg"], sum(each) / 2)
    torch.testing.assert_close(losses["depth"], TASKS["depth"].loss_of(final["depth"], truth["depth"]))
