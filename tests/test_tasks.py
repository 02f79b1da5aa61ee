"""Tasks: raw output to quantities and back, and losses in the space they are meant for."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from taskscape.batch import Target
from taskscape.modalities.class_sets import CITYSCAPES_2, CITYSCAPES_19, NYUV2_40, VOID, ClassSet, mapping
from taskscape.losses import L1, SILog
from taskscape.tasks import Depth, Representation, SemanticSegmentation, SurfaceNormals


@pytest.mark.parametrize("representation", ["metres", "log", "inverse"])
def test_depth_decodes_what_it_encodes(representation: Representation) -> None:
    task = Depth(representation, mean=0.3, deviation=1.7, range=(0.5, 200.0))
    metres = torch.tensor([0.5, 1.0, 17.3, 200.0], dtype=torch.float64).view(1, 1, 1, 4)
    torch.testing.assert_close(task.decode(task.encode(metres)), metres)


def test_depth_stays_within_its_range() -> None:
    task = Depth("log", range=(1.0, 80.0))
    torch.testing.assert_close(task.decode(torch.tensor([-1e9, 1e9])), torch.tensor([1.0, 80.0]))
    inverse = Depth("inverse", range=(1.0, 80.0))
    torch.testing.assert_close(inverse.decode(torch.tensor([-3.0, 0.0, 9.0])), torch.tensor([80.0, 80.0, 1.0]))


def test_normalisation_by_default_is_that_of_miniscapes() -> None:
    assert Depth("log").normalisation == (2.8936, 0.8661)
    assert Depth("metres").normalisation == (27.0727, 29.1264)
    assert Depth("inverse").normalisation == (0.0, 1.0)


def target(metres: Tensor) -> Target:
    return Target(metres, (metres > 0)[:, 0])


def test_losses_compare_in_their_own_space() -> None:
    metres = torch.tensor([[[[10.0, 20.0], [0.0, 40.0]]]], dtype=torch.float64)
    raw = torch.tensor([[[[0.1, 0.2], [0.3, -0.4]]]], dtype=torch.float64)
    known = np.array([10.0, 20.0, 40.0])
    guess = np.array([0.1, 0.2, -0.4])

    in_logs = Depth("log", loss=L1()).loss_of(raw, target(metres))
    assert in_logs.item() == pytest.approx(np.abs(guess - (np.log(known) - 2.8936) / 0.8661).mean(), rel=1e-12)

    difference = np.log(known) - (guess * 0.8661 + 2.8936)
    expected = math.sqrt(difference.var() + 0.15 * difference.mean() ** 2)
    in_metres = Depth("log", loss=SILog(gamma=0.15)).loss_of(raw, target(metres))
    assert in_metres.item() == pytest.approx(expected, rel=1e-4)


def test_no_gradient_is_lost_to_pixels_without_depth() -> None:
    metres = torch.zeros(1, 1, 2, 2)
    metres[0, 0, 0, 0] = 5.0
    for loss in (L1(), SILog()):
        raw = torch.zeros(1, 1, 2, 2, requires_grad=True)
        Depth("inverse", loss=loss).loss_of(raw, target(metres)).backward()
        assert raw.grad is not None
        assert raw.grad.isfinite().all()
        assert (raw.grad[metres == 0] == 0).all()


def test_segmentation_takes_the_highest_score_and_the_classes_of_the_data() -> None:
    raw = torch.randn(2, 19, 3, 4)
    task = SemanticSegmentation()
    with pytest.raises(ValueError, match="classes are still those of the data"):
        _ = task.channels
    task = task.classes_of_data(CITYSCAPES_19)
    assert task.channels == 19
    assert torch.equal(task.decode(raw), raw.argmax(1))
    assert SemanticSegmentation(CITYSCAPES_2).classes_of_data(CITYSCAPES_19).class_set == CITYSCAPES_2


def test_normals_have_unit_length() -> None:
    normals = SurfaceNormals().decode(torch.randn(2, 3, 4, 5).bfloat16())
    torch.testing.assert_close(normals.norm(dim=1), torch.ones(2, 4, 5))
    assert normals.dtype == torch.float32


@pytest.mark.parametrize("options", [{"range": (3.0, 2.0)}, {"range": (0.0, 2.0)}, {"deviation": 0.0}])
def test_bad_settings_name_the_field(options: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"tasks\.depth\.(range|deviation)"):
        Depth(**options)  # type: ignore[arg-type]


def test_labels_map_where_a_map_is_known() -> None:
    table = mapping(CITYSCAPES_19, CITYSCAPES_2)
    assert [int(table[i]) for i in (0, 10, 11, 18, 19, VOID)] == [0, 0, 1, 1, VOID, VOID]
    assert (mapping(NYUV2_40, NYUV2_40)[:40] == np.arange(40)).all()
    with pytest.raises(ValueError, match="'nyuv2-40' cannot become 'cityscapes-19'"):
        mapping(NYUV2_40, CITYSCAPES_19)


def test_class_sets_are_consistent() -> None:
    with pytest.raises(ValueError, match="2 names but 1 colours"):
        ClassSet("x", ("a", "b"), ((0, 0, 0),))
    with pytest.raises(ValueError, match="occurs twice"):
        ClassSet("x", ("a", "a"), ((0, 0, 0), (1, 1, 1)))
    assert CITYSCAPES_19.colors()[10].tolist() == [70, 130, 180]
    assert CITYSCAPES_19.colors()[VOID].tolist() == [0, 0, 0]
