"""Metrics reject ids and shapes out of range instead of counting them wrongly."""

from typing import Any

import pytest
import torch
from torch import Tensor

from taskscape.metrics import (
    AlbedoMetrics,
    BoundaryMetrics,
    ConfidenceMetrics,
    DepthMetrics,
    NormalsMetrics,
    SegmentationMetrics,
)
from taskscape.metrics.base import TaskMetric

SHAPE = (2, 6, 8)
VALID = torch.ones(SHAPE, dtype=torch.bool)
METRICS: list[tuple[TaskMetric, int]] = [
    (DepthMetrics(), 1),
    (NormalsMetrics(), 3),
    (AlbedoMetrics(), 3),
    (BoundaryMetrics(), 1),
]


def segmentation() -> SegmentationMetrics:
    return SegmentationMetrics(["road", "car", "sky"])


def ids(seed: int = 0) -> Tensor:
    return torch.randint(3, SHAPE, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("outside", [3, 255, -1, 2**40])
@pytest.mark.parametrize("place", ["prediction", "value"])
def test_an_id_that_is_no_class_counts_in_no_other_cell(outside: int, place: str) -> None:
    metric, batch = segmentation(), {"prediction": ids(0), "value": ids(1)}
    batch[place][1, 2, 3] = outside
    with pytest.raises(ValueError, match=rf"{place} has ids \[{outside}\] at valid pixels.*0 … 2"):
        metric.update(**batch, valid=VALID)
    assert not metric.confusion.any()  # nothing was counted
    valid = VALID.clone()
    valid[1, 2, 3] = False
    metric.update(**batch, valid=valid)
    assert metric.confusion.sum() == VALID.numel() - 1


def test_ids_of_any_integers_and_without_a_mask() -> None:
    value, prediction = ids(0), ids(1)
    value[0, :2] = 255
    metric, narrow, masked = segmentation(), segmentation(), segmentation()
    metric.update(prediction, value)
    narrow.update(prediction.byte(), value.byte())  # ids times classes squared exceed a byte
    masked.update(prediction, value.clamp(max=2), value != 255)
    assert metric.compute() == narrow.compute() == masked.compute()
    assert metric(prediction, value) == metric.compute()  # called like torchmetrics' own metrics


@pytest.mark.parametrize(("prediction", "value"), [(ids().double(), ids()), (ids(), ids() == 1)])
def test_scores_are_no_ids(prediction: Tensor, value: Tensor) -> None:
    with pytest.raises(ValueError, match="class ids are integers"):
        segmentation().update(prediction, value, VALID)


@pytest.mark.parametrize(
    "shapes",
    [
        ((2, 1, 6, 8), SHAPE, SHAPE),
        (SHAPE, (2, 1, 6, 8), SHAPE),
        ((1, 6, 8), SHAPE, SHAPE),
        ((2, 6, 1), SHAPE, SHAPE),
        (SHAPE, SHAPE, (2, 1, 6, 8)),
        (SHAPE, SHAPE, (6, 8)),
    ],
)
def test_shapes_that_would_be_broadcast(shapes: tuple[tuple[int, ...], ...]) -> None:
    prediction, value, valid = (torch.zeros(shape, dtype=torch.int64) for shape in shapes)
    with pytest.raises(ValueError, match="must be"):
        segmentation().update(prediction, value, valid.bool())


@pytest.mark.parametrize(("metric", "channels"), METRICS, ids=lambda x: type(x).__name__)
def test_shapes_of_the_other_metrics(metric: TaskMetric, channels: int) -> None:
    right = torch.full((2, channels, 6, 8), 0.5)
    wrong = [right[:, 0], right[:1], right[..., :1], torch.full((2, channels + 1, 6, 8), 0.5)]
    for x in wrong:
        for prediction, value in ((x, right), (right, x)):
            with pytest.raises(ValueError, match=rf"\(B, {channels}, H, W\)"):
                metric.update(prediction, value, VALID)
    with pytest.raises(ValueError, match="it must be bool"):
        metric.update(right, right, VALID.float())
    metric.update(right, right)
    everywhere = metric.compute()
    metric.reset()
    metric.update(right, right, VALID)
    assert metric.compute() == everywhere


def test_a_logit_is_no_probability() -> None:
    logit = torch.linspace(-3, 3, 96).view(2, 1, 6, 8)
    with pytest.raises(ValueError, match="sigmoid"):
        BoundaryMetrics().update(logit, (logit > 0).float(), VALID)


@pytest.mark.parametrize("classes", [19, "road"])
def test_classes_are_names(classes: Any) -> None:
    with pytest.raises(ValueError, match=r"classes is (19|'road'): give the names of the classes"):
        SegmentationMetrics(classes)


def test_class_255_is_not_ignored_without_a_word() -> None:
    metric, value = SegmentationMetrics([str(number) for number in range(300)]), torch.full(SHAPE, 255)
    with pytest.raises(ValueError, match="class 255 of 300 would be ignored: pass valid"):
        metric.update(value, value)
    metric.update(value, value, VALID)
    assert metric.compute()["iou/255"] == 100


def test_classes_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match="each class needs a name of its own"):
        SegmentationMetrics(["road", "road"])


@pytest.mark.parametrize("name", ["uncertainty", "error", "nll"])
@pytest.mark.parametrize("shape", [(2, 1, 6, 8), (3, 6, 8), (2, 12, 16)])
def test_all_maps_of_a_confidence_have_one_shape(name: str, shape: tuple[int, ...]) -> None:
    """Maps of another size were read at the pixels of other images."""
    metric, probability = ConfidenceMetrics(), torch.rand(SHAPE)
    with pytest.raises(ValueError, match=rf"{name} is \({shape[0]}, .*: it must be \(2, 6, 8\), like the prediction"):
        metric.update(probability, probability < 0.5, **{name: torch.rand(shape)})
    assert not metric.reliability.any()


def test_a_confidence_takes_what_is_right_not_labels() -> None:
    with pytest.raises(ValueError, match=r"value is 0 … 2: it must be whether the prediction is right"):
        ConfidenceMetrics().update(torch.rand(SHAPE), ids())


def test_a_boundary_that_is_nan_needs_a_mask() -> None:
    """It counted as no boundary."""
    label = torch.zeros(2, 1, 6, 8)
    label[0, 0, 0, 0] = float("nan")
    with pytest.raises(ValueError, match="value has NaN at valid pixels"):
        BoundaryMetrics().update(torch.full_like(label, 0.5), label)
    BoundaryMetrics().update(torch.full_like(label, 0.5), label, ~label.isnan()[:, 0])


@pytest.mark.parametrize(("metric", "channels"), METRICS, ids=lambda x: type(x).__name__)
def test_arrays_are_no_tensors(metric: TaskMetric, channels: int) -> None:
    x: Any = torch.full((2, channels, 6, 8), 0.5)
    for batch in ((x.numpy(), x), (x, x.numpy()), (x, x, VALID.numpy())):
        with pytest.raises(ValueError, match=r"is of type ndarray: give a tensor, such as torch.from_numpy\(x\)"):
            metric.update(*batch)


@pytest.mark.parametrize(("start", "reduce"), [([], "sum"), (torch.zeros(2), "mean"), (torch.tensor(-1e9), "sum")])
def test_states_are_sums(start: Any, reduce: Any) -> None:
    """Another reduction was a sum all the same, and every reset began with the number."""
    with pytest.raises(ValueError, match="the state most of DepthMetrics must be a tensor of zeros"):
        DepthMetrics().add_state("most", start, reduce)
