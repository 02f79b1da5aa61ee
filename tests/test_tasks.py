"""Tasks: raw outputs to values and back, losses in the intended space, and settings that depend on the data."""

import math
import re
from dataclasses import dataclass, replace
from typing import Any, ClassVar, get_args

import numpy as np
import pytest
import torch
from torch import Tensor

from taskscape import modalities
from taskscape.batch import Target
from taskscape.losses import L1, MSE, Laplace, Loss, LossTerm, SILog
from taskscape.modalities.class_sets import CITYSCAPES_2, CITYSCAPES_7, CITYSCAPES_19, NYUV2_40
from taskscape.serialization import offered
from taskscape.tasks import (
    TASKS,
    Albedo,
    Boundaries,
    Depth,
    Representation,
    SemanticSegmentation,
    SurfaceNormals,
    Task,
    default_tasks,
    tasks_for,
)

KINDS: dict[str, tuple[Task, modalities.Modality]] = {
    "semseg": (SemanticSegmentation(), modalities.Semseg(CITYSCAPES_7)),
    "depth": (Depth(), modalities.Depth()),
    "normals": (SurfaceNormals(), modalities.Normals()),
    "boundaries": (Boundaries(), modalities.Boundaries()),
    "albedo": (Albedo(), modalities.Albedo()),
}
every_kind = pytest.mark.parametrize("kind", KINDS)


def compute_loss(task: Task, raw: Tensor, target: Target) -> Tensor:
    return task.loss.mean(task.compute_loss(raw, target))


def test_kinds_are_offered_by_name() -> None:
    assert set(KINDS) == {kind.name for kind in TASKS}
    assert offered(Task) == {kind.name: kind for kind in TASKS}
    assert list(default_tasks()) == ["semseg", "depth"]


@every_kind
def test_a_modality_has_a_task_of_its_name(kind: str) -> None:
    modality = KINDS[kind][1]
    tasks = tasks_for({"labels": modality, "photograph": modalities.Rgb()})  # no task predicts images
    assert {field: task.modality for field, task in tasks.items()} == {"labels": modality}


@every_kind
def test_a_task_refuses_what_it_cannot_read(kind: str) -> None:
    task, own = KINDS[kind]
    assert type(task.for_data("labels", own).modality) is type(own)
    readable = {type(own), modalities.Semseg} if kind == "boundaries" else {type(own)}
    for other in (*(modality for _, modality in KINDS.values()), modalities.Rgb()):
        if type(other) not in readable:
            with pytest.raises(ValueError, match=rf"field 'labels' holds {other.name}, not .*source"):
                task.for_data("labels", other)


@every_kind
def test_decoded_output_is_shaped_as_its_target(kind: str) -> None:
    task, modality = KINDS[kind]
    task = task.for_data(kind, modality)
    stored = torch.from_numpy(np.stack([modality.empty((4, 6)), modality.empty((4, 6))]))
    target = task.target(modality.unpack(stored), modality)
    raw = torch.randn(2, task.channels, 4, 6)
    assert task.decode(raw).shape == target.value.shape
    assert task.decode(raw).dtype == target.value.dtype
    metrics = task.metrics()
    metrics.update(task.decode(raw), target.value, target.valid)
    assert metrics.compute() == {}  # no valid pixels


@every_kind
def test_output_with_other_channels_is_not_decoded(kind: str) -> None:
    task = KINDS[kind][0].for_data(kind, KINDS[kind][1])
    needed = rf"\(2, {task.channels + 2}, 4, 6\): {type(task).__name__} decodes \(B, {task.channels}, H, W\)"
    with pytest.raises(ValueError, match=needed):
        task.decode(torch.randn(2, task.channels + 2, 4, 6))


@every_kind
def test_flipping_twice_changes_nothing_and_once_is_a_flip_of_values(kind: str) -> None:
    task, modality = KINDS[kind]
    task = task.for_data(kind, modality)
    raw = torch.randn(2, task.channels, 4, 6)
    assert torch.equal(task.hflip(task.hflip(raw)), raw)
    motion = torch.diag(torch.tensor([-1.0, 1.0, 1.0])).expand(2, 3, 3)
    values = modality.warp(task.decode(raw).flip(-1), motion, torch.ones(2, 1, 1, 1))
    torch.testing.assert_close(task.decode(task.hflip(raw)), values)


@every_kind
def test_a_prediction_is_consistent_with_itself(kind: str) -> None:
    task, modality = KINDS[kind]
    task = task.for_data(kind, modality)
    raw, valid = torch.randn(2, task.channels, 4, 6), torch.rand(2, 4, 6) < 0.7
    plain = compute_loss(task, raw, Target(task.decode(raw), valid))
    same = task.loss.mean(task.compute_consistency(raw, raw, valid))
    torch.testing.assert_close(same, plain, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("representation", ["meters", "log", "inverse"])
def test_depth_decodes_what_it_encodes(representation: Representation) -> None:
    task = Depth(representation, mean=0.3, std=1.7, min_depth=0.5, max_depth=200.0)
    meters = torch.tensor([0.5, 1.0, 17.3, 200.0], dtype=torch.float64).view(1, 1, 1, 4)
    torch.testing.assert_close(task.decode(task.encode(meters)), meters)


def test_depth_stays_within_its_range() -> None:
    task = Depth("log", min_depth=1.0, max_depth=80.0)
    torch.testing.assert_close(task.decode(torch.tensor([-1e9, 1e9])), torch.tensor([1.0, 80.0]))
    inverse = Depth("inverse", min_depth=1.0, max_depth=80.0)
    torch.testing.assert_close(inverse.decode(torch.tensor([-3.0, 0.0, 9.0])), torch.tensor([80.0, 80.0, 1.0]))


@pytest.mark.parametrize("representation", ["meters", "log", "inverse"])
def test_the_relative_slope_is_that_of_the_logarithm_of_depth(representation: Representation) -> None:
    encoding = Depth(representation).encoding
    meters = torch.tensor([0.7, 5.0, 120.0], dtype=torch.float64)
    nearer, farther = meters * (1 - 1e-6), meters * (1 + 1e-6)
    change = encoding.represent(farther) - encoding.represent(nearer)
    expected = ((farther.log() - nearer.log()) / change).abs()
    torch.testing.assert_close(encoding.relative_slope(meters), expected, rtol=1e-5, atol=0)


def test_a_limit_of_depth_moves_if_the_other_is_set_beyond_it() -> None:
    assert Depth(min_depth=100.0).range == (100.0, 300.0) and Depth(max_depth=1.0).range == (0.5, 1.0)
    assert Depth(min_depth=400.0).range == (400.0, 240000.0)  # as far apart as by default
    assert Depth(max_depth=0.3).range == pytest.approx((0.0005, 0.3))


@pytest.mark.parametrize("loss", [L1(), SILog()])
def test_labels_are_clamped_as_predictions_are(loss: L1 | SILog) -> None:
    task = Depth("log", min_depth=1.0, max_depth=80.0, loss=loss)
    meters = torch.tensor([0.2, 1.0, 30.0, 80.0, 500.0]).view(1, 1, 1, 5)
    perfect = task.encode(meters.clamp(1.0, 80.0))
    least = compute_loss(task, perfect, target(meters.clamp(1.0, 80.0)))
    torch.testing.assert_close(compute_loss(task, perfect, target(meters)), least)


def test_normalization_by_default_is_that_of_miniscapes() -> None:
    assert Depth("log").normalization == (2.8936, 0.8661)
    assert Depth("meters").normalization == (27.0727, 29.1264)
    assert Depth("inverse").normalization == (0.0, 1.0)


def target(meters: Tensor) -> Target:
    return Target(meters, (meters > 0)[:, 0])


def test_losses_compare_in_their_own_space() -> None:
    meters = torch.tensor([[[[10.0, 20.0], [0.0, 40.0]]]], dtype=torch.float64)
    raw = torch.tensor([[[[0.1, 0.2], [0.3, -0.4]]]], dtype=torch.float64)
    known = np.array([10.0, 20.0, 40.0])
    guess = np.array([0.1, 0.2, -0.4])

    in_logs = compute_loss(Depth("log", loss=L1()), raw, target(meters))
    assert in_logs.item() == pytest.approx(np.abs(guess - (np.log(known) - 2.8936) / 0.8661).mean(), rel=1e-12)

    difference = np.log(known) - (guess * 0.8661 + 2.8936)
    expected = math.sqrt(difference.var() + 0.15 * difference.mean() ** 2)
    in_meters = compute_loss(Depth("log", loss=SILog(gamma=0.15)), raw, target(meters))
    assert in_meters.item() == pytest.approx(expected, rel=1e-4)


def test_depth_is_consistent_in_the_space_of_its_loss() -> None:
    raw, other = torch.randn(2, 2, 1, 4, 5, dtype=torch.float64)
    other *= 30  # mostly out of range, which is clamped in meters but not in the representation
    valid = torch.rand(2, 4, 5) < 0.7
    in_logs = Depth("log", loss=MSE())
    found = in_logs.loss.mean(in_logs.compute_consistency(raw, other, valid))
    assert found.item() == pytest.approx(((raw - other)[:, 0][valid] ** 2).mean().item(), rel=1e-12)
    in_meters = Depth("log", loss=SILog())
    found = in_meters.loss.mean(in_meters.compute_consistency(raw, other, valid))
    assert found == compute_loss(in_meters, raw, Target(in_meters.decode(other), valid))


@dataclass(frozen=True)
class Plain(Loss):
    """A user's loss with only the required definitions."""

    name: ClassVar[str] = "plain"

    def term(self, prediction: Tensor, target: Target) -> LossTerm:
        errors = (prediction - target.value).abs().sum(1)
        return LossTerm((errors * target.valid).sum(), target.valid.sum())


def test_a_loss_that_says_nothing_compares_representations() -> None:
    meters = torch.rand(2, 1, 4, 5) * 50 + 1
    raw = torch.randn(2, 1, 4, 5)
    found = compute_loss(Depth("inverse", loss=Plain()), raw, target(meters))
    torch.testing.assert_close(found, (raw - 1 / meters).abs().mean())


def test_what_raw_output_is() -> None:
    assert Depth("meters", mean=0.0, std=1.0).raw_is_value
    for other in (Depth("meters"), Depth("log", mean=0.0, std=1.0), Depth("inverse", mean=0.0, std=1.0)):
        assert not other.raw_is_value
    assert [kind().predicts_classes for kind in TASKS] == [kind is SemanticSegmentation for kind in TASKS]


def test_no_gradient_is_lost_to_pixels_without_depth() -> None:
    meters = torch.zeros(1, 1, 2, 2)
    meters[0, 0, 0, 0] = 5.0
    for loss in (L1(), SILog()):
        raw = torch.zeros(1, 1, 2, 2, requires_grad=True)
        compute_loss(Depth("inverse", loss=loss), raw, target(meters)).backward()
        assert raw.grad is not None
        assert raw.grad.isfinite().all()
        assert (raw.grad[meters == 0] == 0).all()


def depths(nearest: float, farthest: float, pixels: int = 5000) -> np.ndarray[Any, Any]:
    """Return depths whose logarithms are uniformly distributed."""
    return np.exp(np.linspace(math.log(nearest), math.log(farthest), pixels)).astype(np.float32)


@pytest.mark.parametrize("representation", ["meters", "log", "inverse"])
def test_depth_like_that_of_streets_keeps_the_published_numbers(representation: Representation) -> None:
    task, sentences = Depth(representation).for_values(lambda: depths(3, 150))
    assert task.range == (0.5, 300.0) and task.normalization == Depth(representation).normalization and not sentences
    assert task == replace(task, mean=task.normalization[0], min_depth=0.5)  # all values are filled in
    assert Depth().for_values(lambda: np.zeros(0, np.float32)) == (Depth(), [])


@pytest.mark.parametrize("representation", ["meters", "log", "inverse"])
@pytest.mark.parametrize("metric", [True, False])
@pytest.mark.parametrize(("nearest", "farthest"), [(0.08, 0.62), (0.2, 5.0), (700.0, 9000.0)])
def test_range_and_normalization_suit_the_data(
    representation: Representation, metric: bool, nearest: float, farthest: float
) -> None:
    depth = depths(nearest, farthest)
    task, (sentence,) = Depth(representation, metric=metric).for_values(lambda: depth)
    low, high = task.range
    assert nearest / 2.2 < low < nearest and farthest < high < 2.2 * farthest
    encoded = task.encode(torch.from_numpy(depth))
    assert abs(encoded.mean()) < 0.1 and 0.8 < encoded.std() < 1.2
    torch.testing.assert_close(task.decode(encoded), torch.from_numpy(depth))
    assert f"range {low:g} … {high:g}" in sentence and "0.0 % of it lies outside" in sentence
    assert ("std" in sentence, "of its logarithm" in sentence) == (True, representation == "log")
    assert ("median" in sentence) is not metric
    assert task.for_values(lambda: depth) == (task, [])  # a resumed run keeps its numbers


@pytest.mark.parametrize(("outside", "farthest"), [(40, 300.0), (60, 1200.0)])
def test_one_percent_of_the_labels_may_lie_outside_of_the_range(outside: int, farthest: float) -> None:
    streets = depths(3, 150)
    streets[:outside] = 600.0  # of 5000
    assert Depth().for_values(lambda: streets)[0].range[1] == farthest


def test_what_is_set_stays_and_a_range_that_loses_labels_is_warned_of() -> None:
    near = depths(0.08, 0.62)
    task, sentences = Depth(min_depth=0.3, max_depth=80.0, mean=0.0, std=1.0).for_values(lambda: near)
    assert task.range == (0.3, 80.0) and task.normalization == (0.0, 1.0)
    assert len(sentences) == 1 and re.search(
        r"warning: 6\d % .* outside min_depth … max_depth, 0.3 … 80 m", sentences[0]
    )
    task, _ = Depth(max_depth=0.5, std=2.0).for_values(lambda: near)
    assert task.range == (0.04, 0.5) and task.std == 2.0 and task.mean is not None and -2 < task.mean < -1
    with pytest.raises(ValueError, match=r"min_depth is 100.*max_depth is 1\.2"):
        Depth(min_depth=100.0).for_values(lambda: near)


def test_a_few_outliers_do_not_widen_the_range() -> None:
    near = depths(0.08, 0.62)
    expected = Depth().for_values(lambda: near)[0].range
    near[:3], near[-3:] = 1e-3, 1e5  # of 5000
    assert Depth().for_values(lambda: near)[0].range == expected


def test_depth_that_hardly_varies_has_a_spread_of_a_twentieth_of_it() -> None:
    task, _ = Depth("meters").for_values(lambda: depths(1.99, 2.01))
    assert task.normalization == (2.0, 0.1)


def test_rescaled_depth_keeps_the_width_of_its_errors() -> None:
    task = Depth(loss=Laplace())
    raw, whole = torch.randn(2, 2, task.channels, 4, 5)
    scaled = task.match_scale(raw, whole)
    assert scaled.shape == raw.shape and torch.equal(scaled[:, 1:], raw[:, 1:])
    nearer = (task.decode(scaled) <= task.decode(whole)).flatten(1).float().mean(1)
    torch.testing.assert_close(nearer, torch.full((2,), 0.5), rtol=0, atol=0.051)


def test_constant_depth_has_a_spread() -> None:
    for representation in get_args(Representation):
        task, _ = Depth(representation, metric=False).for_values(lambda: np.ones(9, np.float32))
        assert task.encode(torch.ones(1, 1, 1, 1)).abs().item() < 1 and task.std


def test_a_network_of_values_starts_within_the_range() -> None:
    assert Depth().start_value(10.0) == Depth(max_depth=80.0).start_value(10.0) == 10.0
    assert Depth(min_depth=0.04, max_depth=1.2).start_value(10.0) == 0.22
    assert Depth(min_depth=5.0).start_value(10.0) == 10.0 and Depth(min_depth=6.0).start_value(10.0) == 42.0
    assert Depth(max_depth=20.0).start_value(10.0) == 10.0 and Depth(max_depth=18.0).start_value(10.0) == 3.0
    assert SurfaceNormals().start_value(10.0) == 10.0


def test_whether_depth_is_metric_is_taken_from_the_data_unless_set() -> None:
    relative, metric = modalities.Depth(metric=False), modalities.Depth(metric=True)
    assert Depth().for_data("depth", relative).modality == relative
    assert Depth().for_data("depth", metric).modality == metric
    assert Depth(metric=True).for_data("depth", relative).modality == metric
    assert set(Depth(metric=False).metrics().specs) < set(Depth(metric=True).metrics().specs)


def test_segmentation_takes_the_highest_score_and_the_classes_of_the_data() -> None:
    raw = torch.randn(2, 19, 3, 4)
    task = SemanticSegmentation()
    with pytest.raises(ValueError, match=r"left to the data.*for_data"):
        _ = task.channels
    task = task.for_data("semseg", modalities.Semseg(CITYSCAPES_19))
    assert task.channels == 19
    assert torch.equal(task.decode(raw), raw.argmax(1))
    chosen = SemanticSegmentation(CITYSCAPES_2).for_data("semseg", modalities.Semseg(CITYSCAPES_19))
    assert chosen.modality.classes == CITYSCAPES_2


def test_ids_become_those_of_the_chosen_classes() -> None:
    task, data = SemanticSegmentation(CITYSCAPES_2), modalities.Semseg(CITYSCAPES_19)
    ids = torch.tensor([[[0, 10, 11], [18, 13, 255]]], dtype=torch.uint8)
    value, valid = task.target(data.unpack(ids), data)
    assert value.tolist() == [[[0, 0, 1], [1, 1, 0]]]
    assert valid.tolist() == [[[True, True, True], [True, True, False]]]
    same = data.unpack(ids)
    assert SemanticSegmentation(CITYSCAPES_19).target(same, data) is same


def test_classes_without_a_map_are_refused_by_field() -> None:
    with pytest.raises(ValueError, match=r"field 'labels': .*'nyuv2-40' cannot become 'cityscapes-19'"):
        SemanticSegmentation(CITYSCAPES_19).for_data("labels", modalities.Semseg(NYUV2_40))


def test_normals_have_unit_length() -> None:
    normals = SurfaceNormals().decode(torch.randn(2, 3, 4, 5).bfloat16())
    torch.testing.assert_close(normals.norm(dim=1), torch.ones(2, 4, 5))
    assert normals.dtype == torch.float32


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"min_depth": 3.0, "max_depth": 2.0}, "min_depth < max_depth"),
        ({"min_depth": 1e300}, r"min_depth is 1e\+300: it must be at least 1e-30 and at most 1e\+30"),
        ({"max_depth": 1e-300}, "max_depth is 1e-300: it must be at least 1e-30"),
        ({"min_depth": 0.0}, "min_depth is 0"),
        ({"std": 0.0}, "std is 0"),
    ],
)
def test_bad_settings_name_the_field(options: dict[str, Any], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        Depth(**options)
