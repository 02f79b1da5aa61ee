import pytest

from taskscape.metrics import DepthMetrics, MetricSpec, NormalsMetrics, SegmentationMetrics
from taskscape.metrics.delta_m import LISTS, delta_m, metrics_of

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


def test_chosen_metrics_and_published_lists():
    single = {"a/accuracy": 80.0, "a/iou": 50.0, "b/error": 4.0}
    joint = {"a/accuracy": 84.0, "a/iou": 40.0, "b/error": 5.0}
    change = delta_m(joint, single, SPECS, ("a/iou", "b/error"))  # the spec of iou excludes it
    assert change.metrics == ("a/iou", "b/error") and change.percent == pytest.approx(100 * (10 / 50 + 1 / 4) / 2)
    assert delta_m(joint, single, SPECS, ("a/iou", "b/bias")) is None  # all metrics of a list, or None
    assert metrics_of(["b/error", "cityscapes"])[:2] == ("b/error", "semseg/miou")


def test_the_published_delta_m_of_cityscapes():
    """Equal weights against single task in table 3 of Nash-MTL: 22.60 % with its rounded metrics."""
    names = LISTS["cityscapes"]
    single, equal = (
        dict(zip(names, x, strict=True)) for x in ((74.01, 93.16, 0.0125, 27.77), (75.18, 93.49, 0.0155, 46.77))
    )
    metrics = {"semseg": SegmentationMetrics(("a",)), "depth": DepthMetrics()}
    specs = {f"{task}/{name}": spec for task, metric in metrics.items() for name, spec in metric.specs.items()}
    assert delta_m(equal, single, specs, names).percent == pytest.approx(22.6, abs=0.3)
    every = set(specs) | {f"normals/{name}" for name in NormalsMetrics().specs}
    assert all(name in every for listed in LISTS.values() for name in listed)
