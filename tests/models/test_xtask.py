"""The cross-task consistency network; its objective is in tests/test_objective.py."""

import pytest
import torch
from on_paper import count, on_paper

from taskscape.models import build


@pytest.mark.parametrize(
    ("depth", "classes", "options", "parameters"),
    [
        (34, 7, {}, 31_553_344),
        (34, 7, {"batch_norm": True}, 31_558_976),
        (34, 7, {"wide": True}, 42_841_664),
        (34, 7, {"wide": True, "batch_norm": True}, 42_852_928),
        (34, 19, {}, 31_562_560),
        (34, 19, {"batch_norm": True}, 31_568_192),
        (34, 19, {"wide": True}, 42_858_560),
        (34, 19, {"wide": True, "batch_norm": True}, 42_869_824),
        (18, 7, {}, 21_445_184),
        (18, 7, {"wide": True, "batch_norm": True}, 32_744_768),
        (50, 7, {}, 40_412_224),
        (50, 7, {"wide": True, "batch_norm": True}, 51_711_808),
    ],
)
def test_published_parameters(depth, classes, options, parameters):
    assert count(on_paper("xtask", {"semseg": classes, "depth": 1}, encoder=f"resnet{depth}", **options)) == parameters


def test_published_parameters_of_a_single_task():
    assert count(on_paper("xtask", {"semseg": 7})) == 24_535_360
    assert count(on_paper("xtask", {"depth": 1})) == 24_534_592


def network(outputs=None, **options):
    torch.manual_seed(0)
    return build("xtask", outputs or {"semseg": 7, "depth": 1}, encoder="resnet18", **options)


def test_transfers_in_training_alone():
    xtask, image = network(), torch.rand(2, 3, 64, 64)
    outputs = xtask(image)
    assert {task: raw.shape[1] for task, raw in outputs.auxiliary["transferred"].items()} == {"semseg": 7, "depth": 1}
    outputs = xtask.eval()(image)
    assert outputs.auxiliary == {}
    assert xtask.transfer(outputs.final)["depth"].shape == (2, 1, 64, 64)


def test_three_tasks_form_a_ring_and_one_is_left_alone():
    xtask = network({"semseg": 7, "depth": 1, "normals": 3}, class_tasks=("semseg",))
    shapes = {source: (n.down[0][0].in_channels, n.head.out_channels) for source, n in xtask.transfers.items()}
    assert shapes == {"semseg": (7, 1), "depth": (1, 3), "normals": (3, 7)}
    assert network({"depth": 1})(torch.rand(2, 3, 64, 64)).auxiliary == {}


def test_class_scores_are_transferred_as_log_probabilities():
    xtask = network().double()
    final = {"semseg": torch.randn(1, 7, 16, 16).double(), "depth": torch.randn(1, 1, 16, 16).double()}
    shifted = {task: raw + 3 for task, raw in final.items()}
    before, after = xtask.transfer(final), xtask.transfer(shifted)
    torch.testing.assert_close(before["depth"], after["depth"])
    assert not torch.allclose(before["semseg"], after["semseg"])
    assert not torch.allclose(network(class_tasks=()).double().transfer(final)["depth"], before["depth"])


def test_three_channels_may_be_classes_or_a_vector_so_it_must_be_said():
    with pytest.raises(ValueError, match=r"network\.class_tasks: the 3 channels of 'objects'"):
        on_paper("xtask", {"objects": 3, "depth": 1})
    with pytest.raises(ValueError, match=r"network\.class_tasks: there is no task 'object'; did you mean objects"):
        on_paper("xtask", {"objects": 3, "depth": 1}, class_tasks=("object",))
    assert on_paper("xtask", {"objects": 3, "depth": 1}, class_tasks=("objects",)).class_tasks == ("objects",)


def test_a_transfer_reads_a_prediction_with_its_gradient():
    outputs = network()(torch.rand(2, 3, 64, 64))
    gradient = torch.autograd.grad(outputs.auxiliary["transferred"]["depth"].sum(), outputs.final["semseg"])[0]
    assert gradient.abs().sum() > 0
