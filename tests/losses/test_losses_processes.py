"""Two processes must compute the values and gradients of the global batch, and agree on which tasks have a loss."""

import pytest
import torch
from test_losses import EXAMPLES, example

from taskscape.batch import Target
from taskscape.objectives.base import global_mean, tasks_with_labels
from two_processes import of_both

SPLITS = {"even": 2, "second process without a valid pixel": 3, "second process without an image": 4}


def global_example(loss, images):
    """Return four images, of which the first ``images`` go to the first process; the others are made invalid."""
    prediction, (value, valid) = example(loss, shape=(4, 4, 6))
    valid = valid.clone()
    if images > 2:
        valid[3] = False
    return prediction, Target(value, valid)


def gradient(loss, prediction, target):
    leaf = prediction.clone().requires_grad_()
    value = global_mean(loss, loss.term(leaf, target))
    value.backward()
    return value.detach(), leaf.grad


def labeled_here(rank):
    """Return the labeled tasks: one has labels on both processes, one on the second only, one nowhere."""
    none = torch.zeros(1, 2, 2, dtype=torch.bool)
    valid = {"both": ~none, "second": none if rank == 0 else ~none, "nowhere": none}
    return tasks_with_labels({task: Target(torch.zeros(1, 2, 2), mask) for task, mask in valid.items()})


def one_process(rank):
    computed = []
    for loss in EXAMPLES:
        for images in SPLITS.values():
            prediction, (value, valid) = global_example(loss, images)
            part = slice(images) if rank == 0 else slice(images, None)
            computed.append(gradient(loss, prediction[part], Target(value[part], valid[part])))
    return labeled_here(rank), computed


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    return of_both(one_process, tmp_path_factory.mktemp("processes"))


@pytest.mark.parametrize("images", SPLITS.values(), ids=SPLITS.keys())
@pytest.mark.parametrize("loss", EXAMPLES, ids=str)
def test_two_processes_are_one(loss, images, both):
    value, slope = gradient(loss, *global_example(loss, images))
    index = EXAMPLES.index(loss) * len(SPLITS) + list(SPLITS.values()).index(images)
    (value_1, slope_1), (value_2, slope_2) = (computed[index] for _, computed in both)
    torch.testing.assert_close(value_1 + value_2, value, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(torch.cat([slope_1, slope_2]), slope, rtol=1e-12, atol=1e-12)


def test_processes_agree_on_the_labeled_tasks(both):
    assert [names for names, _ in both] == [["both", "second"]] * 2
