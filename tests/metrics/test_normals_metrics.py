"""Angles of normals against atan2 of cross and dot product in float64 numpy."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from taskscape.metrics import NormalsMetrics


def example(seed=0, b=5):
    """Return unit vectors; image 1 has no valid pixel, invalid pixels hold zeros."""
    g = torch.Generator().manual_seed(seed)
    value = F.normalize(torch.randn(b, 3, 6, 8, generator=g), dim=1)
    prediction = F.normalize(value + 0.3 * torch.randn(b, 3, 6, 8, generator=g), dim=1)
    valid = torch.rand(b, 6, 8, generator=g) < 0.8
    valid[1:2] = False
    return prediction, value.masked_fill(~valid[:, None], 0.0), valid


def evaluated(prediction, value, valid):
    metric = NormalsMetrics()
    metric.update(prediction, value, valid)
    return metric.compute()


def angles(prediction, value, valid):
    a, b = (x.double().movedim(1, -1)[valid].numpy() for x in (prediction, value))
    return np.degrees(np.arctan2(np.linalg.norm(np.cross(a, b), axis=1), (a * b).sum(1)))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("b", [3, 5])
def test_formulas(seed, b):
    whole = example(seed, b)
    degrees = angles(*whole)
    metrics = evaluated(*whole)
    assert list(metrics) == ["mean", "median", "within_11.25", "within_22.5", "within_30"]
    assert metrics["mean"] == pytest.approx(degrees.mean(), abs=2e-6)
    assert metrics["median"] == pytest.approx(np.median(degrees), abs=0.005 + 2e-6)
    for name in ("within_11.25", "within_22.5", "within_30"):
        assert metrics[name] == pytest.approx(100 * (degrees < float(name.removeprefix("within_"))).mean(), rel=1e-12)


@pytest.mark.parametrize("angle", [0.0, 1e-5, 0.1, 11.2499, 11.2501, 29.9999, 30.0001, 90.0, 179.999, 180.0])
def test_one_angle(angle):
    radians = np.radians(angle)
    value = torch.tensor([0.0, 0.0, 1.0], dtype=torch.float64).view(1, 3, 1, 1)
    prediction = torch.tensor([np.sin(radians), 0.0, np.cos(radians)]).view(1, 3, 1, 1)
    metrics = evaluated(7 * prediction, value, torch.ones(1, 1, 1, dtype=torch.bool))
    assert metrics["mean"] == pytest.approx(angle, abs=2e-6)
    assert metrics["median"] == pytest.approx(angle, abs=0.005 + 2e-6)
    assert [metrics[f"within_{limit:g}"] for limit in (11.25, 22.5, 30)] == [
        100 * (angle < limit) for limit in (11.25, 22.5, 30)
    ]


def test_the_median_of_an_even_number_lies_between_the_middle_two():
    value = torch.tensor([0.0, 0.0, 1.0]).view(1, 3, 1, 1).expand(1, 3, 1, 2)
    prediction = torch.tensor([[0.0, 1.0], [0.0, 0.0], [1.0, 0.0]]).view(1, 3, 1, 2)
    metrics = evaluated(prediction, value, torch.ones(1, 1, 2, dtype=torch.bool))
    assert metrics["median"] == pytest.approx(45, abs=0.005 + 2e-6)


def test_a_zero_prediction_is_90_degrees_off():
    _, value, valid = example()
    metrics = evaluated(torch.zeros_like(value), value, valid)
    assert metrics["mean"] == pytest.approx(90)


def test_labels_of_length_zero_are_refused_unless_masked():
    """Data sets mark pixels without a normal with zeros."""
    prediction, value, valid = example()
    assert evaluated(prediction, value, value.any(1)) == evaluated(prediction, value, valid)
    with pytest.raises(ValueError, match=r"a label has length 0.*valid=normals.any\(1\)"):
        evaluated(prediction, value, None)


def test_batches_add_up():
    whole = example(b=6)
    metric = NormalsMetrics()
    for part in (slice(0, 1), slice(1, 1), slice(1, 2), slice(2, 6)):
        metric.update(*(x[part] for x in whole))
    assert metric.compute() == pytest.approx(evaluated(*whole), rel=1e-12)


def test_invalid_pixels_count_for_nothing():
    prediction, value, valid = example()
    metrics = evaluated(prediction, value, valid)
    broken = prediction.masked_fill(~valid[:, None], float("nan"))
    assert evaluated(broken, value, valid) == metrics
    assert evaluated(prediction, value, torch.zeros_like(valid)) == {}


@pytest.mark.parametrize("broken", [float("nan"), float("inf")])
def test_a_broken_prediction_is_an_error(broken):
    prediction, value, valid = example()
    valid[0, 0, 0], prediction[0, 1, 0, 0] = True, broken
    with pytest.raises(ValueError, match="diverged"):
        evaluated(prediction, value, valid)
