"""Segmentation metrics against scikit-learn, and against single images computed by hand."""

import json

import numpy as np
import pytest
import torch
from sklearn.metrics import accuracy_score, confusion_matrix, jaccard_score

from taskscape.metrics import SegmentationMetrics

CLASSES = ("road", "tree", "car", "person", "absent")


def example(seed=0, b=5, classes=4):
    """Return ids 0 … classes - 1, mostly right; image 1 has no valid pixel, invalid pixels hold 255."""
    g = torch.Generator().manual_seed(seed)
    value = torch.randint(classes, (b, 6, 8), generator=g)
    guess = torch.randint(classes, (b, 6, 8), generator=g)
    prediction = torch.where(torch.rand(b, 6, 8, generator=g) < 0.6, value, guess)
    valid = torch.rand(b, 6, 8, generator=g) < 0.8
    valid[1:2] = False
    return prediction, value.masked_fill(~valid, 255), valid


def evaluated(prediction, value, valid, classes=CLASSES):
    metric = SegmentationMetrics(classes)
    metric.update(prediction, value, valid)
    return metric


def miou(true, predicted):
    return 100 * jaccard_score(true, predicted, average="macro", labels=np.union1d(true, predicted))


@pytest.mark.parametrize("seed", range(3))
def test_against_scikit_learn(seed):
    prediction, value, valid = example(seed)
    metric = evaluated(prediction, value, valid)
    metrics = metric.compute()
    p, v = prediction[valid].numpy(), value[valid].numpy()
    assert metrics["miou"] == pytest.approx(miou(v, p), rel=1e-12)
    assert metrics["pixel_accuracy"] == pytest.approx(100 * accuracy_score(v, p), rel=1e-12)
    ious = 100 * jaccard_score(v, p, average=None, labels=range(4))
    assert [metrics[f"iou/{name}"] for name in CLASSES[:4]] == pytest.approx(list(ious), rel=1e-12)
    images = [i for i in range(len(value)) if valid[i].any()]
    each = [miou(value[i][valid[i]].numpy(), prediction[i][valid[i]].numpy()) for i in images]
    assert len(each) == 4
    assert metrics["miou_per_image"] == pytest.approx(np.mean(each), rel=1e-12)
    assert metric.plots()["confusion"] == confusion_matrix(v, p, labels=range(5)).tolist()


def test_a_class_that_does_not_occur_is_left_out():
    metrics = evaluated(*example()).compute()
    assert "iou/absent" not in metrics
    assert metrics["miou"] == pytest.approx(np.mean([metrics[f"iou/{name}"] for name in CLASSES[:4]]))


def test_a_class_that_is_only_predicted_counts_zero():
    value = torch.zeros(1, 2, 2, dtype=torch.int64)
    prediction = torch.tensor([[[0, 0], [0, 1]]])
    metrics = evaluated(prediction, value, torch.ones(1, 2, 2, dtype=torch.bool)).compute()
    assert metrics["iou/tree"] == 0
    assert metrics["miou"] == metrics["miou_per_image"] == 100 * 0.75 / 2


def test_perfect():
    _, value, valid = example()
    metrics = evaluated(value.masked_fill(~valid, 0), value, valid).compute()
    assert set(metrics.values()) == {100.0}


def test_batches_add_up():
    whole = example(b=6)
    metric = SegmentationMetrics(CLASSES)
    for part in (slice(0, 1), slice(1, 1), slice(1, 2), slice(2, 6)):
        metric.update(*(x[part] for x in whole))
    once = evaluated(*whole)
    assert metric.compute() == pytest.approx(once.compute(), rel=1e-14)
    assert metric.plots() == once.plots()
    metric.reset()
    assert metric.plots()["confusion"] == [[0] * 5] * 5


def test_nothing_valid_is_no_metric():
    prediction, value, valid = example()
    metric = evaluated(prediction, value, torch.zeros_like(valid))
    assert metric.compute() == {}
    json.dumps(metric.plots(), allow_nan=False)
