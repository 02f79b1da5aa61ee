"""Boundaries: derived from classes, evaluated with a tolerance, and trained, reported and predicted like any task."""

import math

import numpy as np
import pytest
import torch

from taskscape import modalities
from taskscape.batch import Target
from taskscape.metrics import BoundaryMetrics
from taskscape.modalities.class_sets import CITYSCAPES_2
from taskscape.tasks import Boundaries
from taskscape.tasks.boundaries import class_boundaries
from taskscape.views import BoundariesView

VIEW = BoundariesView(modalities.Boundaries())


def ids(*rows: str) -> Target:
    """Return class ids of one image; ``.`` is a pixel without a class."""
    values = torch.tensor([[255 if x == "." else int(x) for x in row] for row in rows])[None]
    return Target(values.masked_fill(values == 255, 0), values != 255)


def drawn(target: Target) -> list[str]:
    """Return a drawing of a target: ``#`` is a boundary, ``.`` a pixel without a label."""
    value, valid = target.value[0, 0], target.valid[0]
    return [
        "".join("." if not v else "#" if x else "-" for x, v in zip(*row, strict=True))
        for row in zip(value.tolist(), valid.tolist(), strict=True)
    ]


# -- labels ------------------------------------------------------------------------------------------------------------


def test_boundaries_of_classes() -> None:
    target = class_boundaries(ids("000011", "000011", "022211", "000011"))
    assert drawn(target) == ["---##-", "-####-", "#####-", "-####-"]
    assert target.value.dtype == torch.float32 and target.value.shape == (1, 1, 4, 6)


def test_beside_a_pixel_without_a_class_a_boundary_may_be_missed() -> None:
    # A pixel beside an unknown one is known if it is a boundary in any case.
    assert drawn(class_boundaries(ids("00000", "000.0", "00111"))) == ["---.-", "--#.#", "-##.#"]


def test_neither_one_class_nor_the_border_is_a_boundary() -> None:
    assert drawn(class_boundaries(ids("000", "000"))) == ["---", "---"]
    assert drawn(class_boundaries(ids("...", "..."))) == ["...", "..."]


@pytest.mark.parametrize("dims", [(-1,), (-2,), (-1, -2)])
def test_boundaries_of_flipped_classes_are_flipped(dims: tuple[int, ...]) -> None:
    generator = torch.Generator().manual_seed(0)
    value, valid = torch.randint(3, (2, 7, 9), generator=generator), torch.rand(2, 7, 9, generator=generator) < 0.9
    flipped = class_boundaries(Target(value.flip(dims), valid.flip(dims)))
    plain = class_boundaries(Target(value, valid))
    assert torch.equal(flipped.value, plain.value.flip(dims)) and torch.equal(flipped.valid, plain.valid.flip(dims))


def test_boundaries_by_hand() -> None:
    rng = np.random.default_rng(0)
    classes = rng.integers(0, 3, (9, 11))
    expected = np.zeros((9, 11), bool)
    for i, j in np.ndindex(9, 11):
        around = [(i - 1, j), (i + 1, j), (i, j - 1), (i, j + 1)]
        expected[i, j] = any(classes[p] != classes[i, j] for p in around if 0 <= p[0] < 9 and 0 <= p[1] < 11)
    target = class_boundaries(Target(torch.from_numpy(classes)[None], torch.ones(1, 9, 11, dtype=torch.bool)))
    np.testing.assert_array_equal(target.value[0, 0].numpy(), expected)


def test_labels_are_read_or_derived() -> None:
    task, classes, boundaries = Boundaries(source="semseg"), modalities.Semseg(CITYSCAPES_2), modalities.Boundaries()
    assert task.for_data("semseg", classes) is task and task.for_data("edges", boundaries) is task
    stored = torch.tensor([[[0, 1, 255]]], dtype=torch.uint8)
    read = task.target(boundaries.unpack(stored), boundaries)
    assert read.value.tolist() == [[[[0, 1, 0]]]] and read.valid.tolist() == [[[True, True, False]]]
    assert drawn(task.target(classes.unpack(stored), classes)) == ["##."]


def test_a_store_keeps_boundaries() -> None:
    modality = modalities.Boundaries()
    values, valid = np.array([[0.0, 1.0, 0.7]]), np.array([[True, True, False]])
    assert modality.pack(values, valid).tolist() == [[0, 1, 255]]
    with pytest.raises(ValueError, match="neither 0 nor 1"):
        modality.pack(values, np.ones((1, 3), bool))
    assert modality.histogram(np.array([0, 1, 1, 1])).tolist() == [1, 3]
    assert modality.histogram_warnings(np.array([9, 1]), None) == []
    assert "no boundary" in modality.histogram_warnings(np.array([9, 0]), None)[0]
    assert "more pixels" in modality.histogram_warnings(np.array([1, 9]), None)[0]


# -- metrics -----------------------------------------------------------------------------------------------------------


def example() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return probabilities at interval centers; the last image has no boundary, the one before it no valid pixel."""
    generator = torch.Generator().manual_seed(1)
    prediction = torch.randint(100, (4, 1, 9, 12), generator=generator) / 100 + 0.005
    value = (torch.rand(4, 1, 9, 12, generator=generator) < 0.2).float()
    valid = torch.rand(4, 9, 12, generator=generator) < 0.9
    value[3] = 0
    valid[2] = False
    return prediction, value, valid


def by_hand(tolerance: float) -> tuple[float, float]:
    """Return ODS and OIS, by comparing every pixel with every other one."""
    prediction, value, valid = (x.numpy() for x in example())
    rows, columns = (x.ravel() for x in np.indices((9, 12)))
    near = np.hypot(rows[:, None] - rows, columns[:, None] - columns) <= tolerance * math.hypot(9, 12)
    images = []  # thresholds × (predicted, right, found, true)
    for p, y, v in zip(prediction[:, 0], value[:, 0], valid, strict=True):
        true = (y > 0.5).ravel() & v.ravel()
        at = []
        for k in range(1, 100):
            predicted = (p >= k / 100).ravel() & v.ravel()
            right, found = predicted & (near & true).any(1), true & (near & predicted).any(1)
            at.append([predicted.sum(), right.sum(), found.sum(), true.sum()])
        images.append(at)

    def f(counts: np.ndarray) -> np.ndarray:
        predicted, right, found, true = np.moveaxis(counts.astype(np.float64), -1, 0)
        precision = np.divide(right, predicted, out=np.zeros_like(right), where=predicted > 0)
        recall = np.divide(found, true, out=np.zeros_like(found), where=true > 0)
        total = precision + recall
        return np.divide(2 * precision * recall, total, out=np.zeros_like(total), where=total > 0)

    counts = np.array(images)
    best = [image[98 - f(image)[::-1].argmax()] for image in counts]
    return 100 * f(counts.sum(0)).max(), 100 * float(f(np.sum(best, 0)))


@pytest.mark.parametrize("tolerance", [0.0, 0.0075, 0.07, 0.1, 0.2])
def test_f_measures_by_hand(tolerance: float) -> None:
    metrics = BoundaryMetrics(tolerance)
    prediction, value, valid = example()
    for part in (slice(1), slice(1, 4)):
        metrics.update(prediction[part], value[part], valid[part])
    ods, ois = by_hand(tolerance)
    assert metrics.compute() == pytest.approx({"ods": ods, "ois": ois}, rel=1e-12)


def test_what_is_invalid_counts_for_nothing() -> None:
    prediction, value, valid = example()
    plain, other = BoundaryMetrics(0.1), BoundaryMetrics(0.1)
    plain.update(prediction, value, valid)
    other.update(prediction.masked_fill(~valid[:, None], math.nan), value.masked_fill(~valid[:, None], 1.0), valid)
    assert plain.compute() == other.compute()


def test_within_the_tolerance_all_is_right() -> None:
    value = torch.zeros(1, 1, 20, 20)
    value[..., 10] = 1
    valid = torch.ones(1, 20, 20, dtype=torch.bool)
    scores = []
    for shift in range(4):
        metrics = BoundaryMetrics(tolerance=2 / math.hypot(20, 20))
        metrics.update(value.roll(shift, -1), value, valid)
        scores.append(metrics.compute()["ods"])
    assert scores == [100, 100, 100, 0]


def test_metrics_without_a_boundary_or_with_a_diverged_network() -> None:
    prediction, value, valid = example()
    metrics = BoundaryMetrics()
    metrics.update(prediction, torch.zeros_like(value), valid)
    assert metrics.compute() == {}
    metrics.update(prediction * math.nan, value, valid)
    with pytest.raises(ValueError, match="diverged"):
        metrics.compute()


def test_a_tolerance_is_a_part_of_the_diagonal() -> None:
    with pytest.raises(ValueError, match=r"tolerance is 2\.0: it must be at least 0 and below 1"):
        Boundaries(tolerance=2.0)


# -- view --------------------------------------------------------------------------------------------------------------


def test_view() -> None:
    label, prediction = np.array([[[1.0, 1.0, 0.0, 0.0]]]), np.array([[[0.9, 0.1, 0.8, 0.2]]])
    valid = np.ones((1, 1, 4), bool)
    right, missed, false_alarm, right_too = VIEW.difference(label, prediction, valid)[0, 0].tolist()
    assert right == right_too and missed[0] > missed[2] and false_alarm[2] > false_alarm[0]
    assert VIEW.scores(label, prediction, valid) == ["F 50.0 %"]
    assert VIEW.scores(label, prediction, ~valid) == [""]
    assert VIEW.with_settings({"threshold": 0.05}).scores(label, prediction, valid) == ["F 66.7 %"]
    image = np.full((1, 4, 3), 7, np.uint8)
    assert (VIEW.preview(image, prediction[0]) == image).all(-1).tolist() == [[False, True, False, True]]
    np.testing.assert_allclose(np.asarray(VIEW.encode(prediction[0])) / 255, prediction[0], atol=1 / 510)
    with pytest.raises(ValueError, match="threshold is 1"):
        BoundariesView(modalities.Boundaries(), threshold=1.0)
