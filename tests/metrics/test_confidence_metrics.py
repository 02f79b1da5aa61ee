"""Calibration error and sparsification against their definitions, pixel by pixel."""

import numpy as np
import pytest
import torch

from taskscape.metrics import ConfidenceMetrics


def maps(*values):
    return [torch.as_tensor(x, dtype=torch.float32).reshape(1, 1, -1) for x in values]


def computed(probability, right, **others):
    metric = ConfidenceMetrics()
    metric.update(*maps(probability, right), **{name: maps(x)[0] for name, x in others.items()})
    return metric


def exact_ause(uncertainty, error):
    """Remove pixels one by one, and integrate by trapezoids."""

    def area(order):
        e = error[np.argsort(-order, kind="stable")]
        left = np.array([e[k:].mean() for k in range(len(e))]) / error.mean()
        return np.trapezoid(np.append(left, left[-1]), dx=1 / len(e))

    return area(uncertainty) - area(error)


def test_calibration_error_by_hand():
    # Bins of width 1/15: 0.90 and 0.92 share one, 0.3 has its own.
    metric = computed([0.90, 0.92, 0.3, 0.3], [1, 0, 0, 1])
    expected = 100 * (2 / 4 * abs(0.5 - 0.91) + 2 / 4 * abs(0.5 - 0.3))
    assert metric.compute()["ece"] == pytest.approx(expected, abs=1e-4)
    plot = metric.plots()["reliability"]
    assert len(plot["edges"]) == 16 and sum(plot["pixels"]) == 4
    assert plot["right"][13] == 0.5 and plot["right"][0] is None and plot["probability"][4] == pytest.approx(0.3)


def test_certainty_that_is_right_has_no_calibration_error():
    assert computed([1.0, 1.0, 0.0], [1, 1, 0]).compute()["ece"] == 0
    assert computed([1.0, 1.0], [0, 0]).compute()["ece"] == 100


def test_likelihood_is_that_of_the_truth_where_it_is_given():
    assert computed([0.5, 0.5], [1, 0], nll=[1.0, 2.0]).compute()["nll"] == 1.5
    assert computed([0.8, 0.4], [1, 0]).compute()["nll"] == pytest.approx(-(np.log(0.8) + np.log(0.6)) / 2, rel=1e-6)


@pytest.mark.parametrize("noise", [0.1, 1.0, 5.0])
def test_sparsification_is_that_of_the_exact_order(noise):
    rng = np.random.default_rng(0)
    error = rng.exponential(size=20_000)
    uncertainty = error * np.exp(noise * rng.normal(size=20_000))
    metric = computed(np.full(20_000, 0.5), error < 1, uncertainty=uncertainty, error=error)
    found = metric.compute()
    assert found["ause"] == pytest.approx(exact_ause(uncertainty, error), abs=2e-3)
    assert found["ause_random"] == pytest.approx(exact_ause(rng.random(20_000), error), abs=2e-2)


def test_wrong_pixels_are_sparsified_as_errors_of_one():
    rng = np.random.default_rng(1)
    probability = rng.random(5000)
    right = rng.random(5000) < probability
    found = computed(probability, right).compute()["ause"]
    assert found == pytest.approx(exact_ause(1 - probability, 1.0 - right), abs=3e-3)


def test_the_best_order_has_no_area_and_the_more_noise_the_more():
    rng = np.random.default_rng(2)
    error = rng.exponential(size=5000)
    found = [
        computed(np.full(5000, 0.5), error < 1, uncertainty=error * np.exp(n * rng.normal(size=5000)), error=error)
        for n in (0.0, 0.3, 1.0, 10.0)
    ]
    areas = [metric.compute()["ause"] for metric in found]
    assert areas[0] == 0 and areas == sorted(areas) and areas[-1] < found[0].compute()["ause_random"]
    plot = found[1].plots()["sparsification"]
    assert plot["error"][0] == plot["oracle"][0] == pytest.approx(1) and len(plot["removed"]) == len(plot["error"])
    assert all(oracle <= error + 1e-9 for error, oracle in zip(plot["error"], plot["oracle"], strict=True))


@pytest.mark.parametrize("uncertainty", [5e3, 1e30, float("inf")])
def test_any_large_uncertainty_ranks_last(uncertainty):
    found = computed([0.5] * 4, [1, 1, 1, 0], uncertainty=[0.1, 0.2, 0.3, uncertainty], error=[0.1, 0.1, 0.1, 5.0])
    assert found.compute()["ause"] == 0


def test_an_uncertainty_that_says_nothing_is_a_random_order():
    right = np.arange(100) % 4 > 0
    found = computed(np.full(100, 0.75), right).compute()
    assert found["ece"] == pytest.approx(0, abs=1e-5) and found["ause"] == pytest.approx(found["ause_random"])


def test_batches_add_up_and_invalid_pixels_count_for_nothing():
    torch.manual_seed(0)
    probability, draw = torch.rand(2, 4, 6, 7)
    right, valid = (draw < probability).float(), torch.rand(4, 6, 7) < 0.6
    whole, parts = ConfidenceMetrics(), ConfidenceMetrics()
    whole.update(probability, right, valid)
    for part in (slice(1), slice(1, 4), slice(0, 0)):
        parts.update(probability[part].masked_fill(~valid[part], 7.0), right[part], valid[part])
    assert parts.compute() == pytest.approx(whole.compute())


def test_nothing_valid_gives_no_metric_and_no_plot():
    metric = ConfidenceMetrics()
    metric.update(*maps([0.5], [1.0]), torch.zeros(1, 1, 1, dtype=torch.bool))
    assert metric.compute() == {} and metric.plots() == {}


def test_no_error_at_all_has_no_area():
    found = computed([0.9, 0.8], [1, 1]).compute()
    assert found["ause"] == 0


def test_what_is_no_probability_is_refused():
    with pytest.raises(ValueError, match="must be 0 … 1"):
        computed([1.5], [1.0])
    with pytest.raises(ValueError, match=r"\(B, H, W\)"):
        ConfidenceMetrics().update(torch.zeros(1, 1, 2, 2), torch.zeros(1, 1, 2, 2))
    with pytest.raises(ValueError, match="diverged"):
        computed([0.5, 0.5], [1, 0], error=[float("nan"), 1.0]).compute()


def test_an_uncertainty_that_has_no_rank_is_refused():
    """Negative numbers, such as the logarithms of widths, would all count as the most certain ones."""
    for name in ("uncertainty", "error"):
        with pytest.raises(ValueError, match=f"{name} is -1 … 2: it must be at least 0"):
            computed([0.5, 0.5], [1, 0], **{name: [-1.0, 2.0]})
    with pytest.raises(ValueError, match="diverged"):
        computed([0.5, 0.5], [1, 0], uncertainty=[float("nan"), 1.0]).compute()
