"""Depth metrics against their formulas in float64 numpy."""

import json

import numpy as np
import pytest
import torch

from taskscape.metrics import DepthMetrics, MetricSpec
from taskscape.metrics.depth import METRICS, DepthMetric


def example(seed=0, b=5):
    """Return meters from about 1 to 100; image 1 has no valid pixel, invalid pixels hold 0."""
    g = torch.Generator().manual_seed(seed)
    value = 10 * torch.randn(b, 1, 6, 8, generator=g).exp()
    prediction = value * (0.3 * torch.randn(b, 1, 6, 8, generator=g)).exp()
    valid = torch.rand(b, 6, 8, generator=g) < 0.8
    valid[1:2] = False
    return prediction, value.masked_fill(~valid[:, None], 0.0), valid


def evaluated(prediction, value, valid):
    metric = DepthMetrics()
    metric.update(prediction, value, valid)
    return metric


def pixels(prediction, value, valid):
    return (x.double().squeeze(1)[valid].numpy() for x in (prediction, value))


@pytest.mark.parametrize("seed", range(3))
def test_formulas(seed):
    prediction, value, valid = example(seed)
    y, true = pixels(prediction, value, valid)
    ratio = np.maximum(y / true, true / y)
    images, scaled = [], []
    for i in (0, 2, 3, 4):
        d = np.subtract(*map(np.log, pixels(prediction[i, None], value[i, None], valid[i, None])))
        images.append(100 * np.sqrt((d**2).mean() - d.mean() ** 2))
        one, of = pixels(prediction[i, None], value[i, None], valid[i, None])
        one = one * np.quantile(of, 0.5, method="lower") / np.quantile(one, 0.5, method="lower")
        off = np.maximum(one / of, of / one)
        scaled.append([(np.abs(one - of) / of).mean(), *(100 * (off < 1.25**k).mean() for k in (1, 2, 3))])
    scaled = np.mean(scaled, 0)
    expected = {
        "abs_err": np.abs(y - true).mean(),
        "abs_rel": (np.abs(y - true) / true).mean(),
        "rmse": np.sqrt(((y - true) ** 2).mean()),
        "rmse_log": np.sqrt(((np.log(y) - np.log(true)) ** 2).mean()),
        "si_log_rmse": np.mean(images),
        **{f"delta{k}": 100 * (ratio < 1.25**k).mean() for k in (1, 2, 3)},
        "inverse_abs_err": np.abs(1 / y - 1 / true).mean(),
        "inverse_abs_rel": np.abs(true / y - 1).mean(),
        "median_scaled_abs_rel": scaled[0],
        **{f"median_scaled_delta{k}": scaled[k] for k in (1, 2, 3)},
    }
    metrics = evaluated(prediction, value, valid).compute()
    assert list(metrics) == list(expected)
    assert metrics == pytest.approx(expected, rel=1e-12)


def test_deltas_exclude_their_threshold():
    value = torch.ones(1, 1, 2, 2)
    prediction = torch.tensor([[[[1.25, 1.0], [0.75, 1.25**2]]]])
    metrics = evaluated(prediction, value, torch.ones(1, 2, 2, dtype=torch.bool)).compute()
    assert (metrics["delta1"], metrics["delta2"], metrics["delta3"]) == (25, 75, 100)


def test_perfect():
    _, value, valid = example()
    metrics = evaluated(value, value, valid).compute()
    assert [metrics[f"delta{k}"] for k in (1, 2, 3)] == [100, 100, 100]
    assert all(x == 0 for name, x in metrics.items() if "delta" not in name)


def test_a_wrong_scale_does_not_change_the_metrics_of_relative_depth():
    _, value, valid = example()
    metrics = evaluated(3 * value.double(), value.double(), valid).compute()
    assert metrics["si_log_rmse"] < 1e-12 and metrics["median_scaled_abs_rel"] < 1e-12
    assert metrics["median_scaled_delta1"] == 100
    assert metrics["abs_rel"] == pytest.approx(2)


def test_relative_depth_has_the_metrics_that_need_no_scale():
    prediction, value, valid = example()
    scale = torch.arange(1.0, 6.0).view(5, 1, 1, 1)
    relative = DepthMetrics(metric=False)
    relative.update(scale * prediction, value, valid)
    metric = evaluated(prediction, value, valid).compute()
    names = ["si_log_rmse", "median_scaled_abs_rel", *(f"median_scaled_delta{k}" for k in (1, 2, 3))]
    assert relative.compute() == pytest.approx({name: metric[name] for name in names}, rel=1e-6)
    assert relative.plots() == {}


def test_a_metric_is_one_entry_of_the_table(monkeypatch):
    sq_rel = DepthMetric(MetricSpec("Squared relative error", "m"), lambda p: p.absolute.square() / p.true)
    monkeypatch.setitem(METRICS, "sq_rel", sq_rel)
    prediction, value, valid = example()
    metric = evaluated(prediction, value, valid)
    y, true = pixels(prediction, value, valid)
    assert metric.compute()["sq_rel"] == pytest.approx(((y - true) ** 2 / true).mean(), rel=1e-12)
    assert metric.specs["sq_rel"].title == "Squared relative error"


def test_inverse_depth_in_the_unit_of_the_data():
    prediction, value, valid = example()
    ones, own = DepthMetrics(), DepthMetrics(inverse_unit=1.8499)
    for metric in (ones, own):
        metric.update(prediction, value, valid)
    q, true = (1.8499 / x for x in pixels(prediction, value, valid))
    assert own.compute()["inverse_abs_err"] == pytest.approx(np.abs(q - true).mean(), rel=1e-12)
    assert own.compute()["inverse_abs_rel"] == ones.compute()["inverse_abs_rel"]


def test_batches_add_up():
    whole = example(b=6)
    metric = DepthMetrics()
    for part in (slice(0, 1), slice(1, 1), slice(1, 2), slice(2, 6)):
        metric.update(*(x[part] for x in whole))
    assert metric.compute() == pytest.approx(evaluated(*whole).compute(), rel=1e-12)


def test_invalid_pixels_count_for_nothing():
    prediction, value, valid = example()
    metrics = evaluated(prediction, value, valid).compute()
    for garbage in (-1.0, 0.0, float("nan"), float("inf")):
        broken = prediction.masked_fill(~valid[:, None], garbage)
        assert evaluated(broken, value, valid).compute() == metrics


def test_nothing_valid_is_no_metric():
    prediction, value, valid = example()
    metric = evaluated(prediction, value, torch.zeros_like(valid))
    assert metric.compute() == metric.plots() == {}


@pytest.mark.parametrize("broken", [float("nan"), float("inf"), 0.0, -1.0])
def test_a_broken_prediction_is_an_error(broken):
    prediction, value, valid = example()
    valid[0, 0, 0], value[0, 0, 0, 0], prediction[0, 0, 0, 0] = True, 5.0, broken
    metric = evaluated(prediction, value, valid)
    metric.update(*example(1))
    with pytest.raises(ValueError, match="diverged"):
        metric.compute()


@pytest.mark.parametrize("seed", range(2))
def test_plots(seed):
    prediction, value, valid = example(seed)
    plots = evaluated(prediction, value, valid).plots()
    json.dumps(plots, allow_nan=False)
    y, true = pixels(prediction, value, valid)

    edges = np.array(plots["histogram"]["edges"])
    assert edges[0] == 0.25 and edges[-1] == 512
    np.testing.assert_allclose(edges[1:] / edges[:-1], 2 ** (1 / 8))
    assert plots["histogram"]["true"] == np.histogram(true, edges)[0].tolist()
    assert plots["histogram"]["predicted"] == np.histogram(y, edges)[0].tolist()

    by_distance = plots["error_by_distance"]
    edges = np.array(by_distance["edges"])
    counts = np.histogram(true, edges)[0]
    assert by_distance["pixels"] == counts.tolist() and counts.min() > 0 and counts.sum() == len(true)
    for name, error in (("abs_err", np.abs(y - true)), ("abs_rel", np.abs(y - true) / true)):
        np.testing.assert_allclose(by_distance[name], np.histogram(true, edges, weights=error)[0] / counts)


def test_a_bin_without_pixels_is_merged_with_the_next_one():
    value = torch.tensor([[[[1.01, 101.0]]]])
    plot = evaluated(value + 1, value, torch.ones(1, 1, 2, dtype=torch.bool)).plots()["error_by_distance"]
    step = 2 ** (1 / 8)
    np.testing.assert_allclose(plot["edges"], [1.0, step, 0.25 * step ** np.ceil(8 * np.log2(101 / 0.25))])
    assert plot["pixels"] == [1, 1]


def test_what_lies_outside_the_edges_is_in_the_end_bins():
    value = torch.tensor([[[[1e-3, 1e5]]]])
    histogram = evaluated(value, value, torch.ones(1, 1, 2, dtype=torch.bool)).plots()["histogram"]
    for counts in (histogram["predicted"], histogram["true"]):
        assert counts[0] == counts[-1] == 1 and sum(counts) == 2
