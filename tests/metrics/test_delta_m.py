import pytest

from taskscape.metrics import MetricSpec
from taskscape.metrics.delta_m import delta_m

SPECS = {
    "a/accuracy": MetricSpec("Accuracy", higher_is_better=True, in_delta_m=True),
    "a/iou": MetricSpec("IoU", higher_is_better=True),
    "b/error": MetricSpec("Error", in_delta_m=True),
    "b/bias": MetricSpec("Bias", in_delta_m=True),
}


def test_published_formula():
    single = {"a/accuracy": 80.0, "a/iou": 50.0, "b/error": 4.0, "b/bias": -2.0}
    joint = {"a/accuracy": 84.0, "a/iou": 10.0, "b/error": 5.0, "b/bias": -1.0}
    change = delta_m(joint, single, SPECS)
    assert change.metrics == ("a/accuracy", "b/error", "b/bias")
    assert change.percent == pytest.approx(100 * (-4 / 80 + 1 / 4 + 1 / 2) / 3)


def test_metrics_that_one_of_them_lacks_do_not_count():
    change = delta_m({"a/accuracy": 88.0, "b/error": 5.0, "c/x": 1.0}, {"a/accuracy": 80.0, "c/x": 2.0}, SPECS)
    assert change.metrics == ("a/accuracy",) and change.percent == pytest.approx(-10)


def test_nothing_to_compare_is_none():
    assert delta_m({"a/accuracy": 88.0}, {}, SPECS) is None
    assert delta_m({"b/error": 1.0}, {"b/error": 0.0}, SPECS) is None
