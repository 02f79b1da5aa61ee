"""Metrics of several tasks at once."""

import pytest

from taskscape.metrics import JOINT, MetricSpec

GRADER, WITHOUT_FLOORS = (
    next(metric for metric in JOINT if metric.name == name) for name in ("grader", "grader_without_floors")
)


@pytest.mark.parametrize(
    ("iou", "si", "grade"),
    [(70.188, 26.645, 43.543), (88.321, 13.943, 74.378), (40.0, 30.0, 20.0), (60.0, 70.0, 10.0), (10.0, 90.0, 0.0)],
)
def test_grade_of_the_miniscapes_networks(iou, si, grade):
    assert GRADER.compute({"semseg/miou": iou, "depth/si_log_rmse": si, "depth/abs_err": 3.0}) == pytest.approx(grade)


@pytest.mark.parametrize("metrics", [{}, {"semseg/miou": 80.0}, {"depth/si_log_rmse": 20.0}])
def test_needs_both_tasks(metrics):
    assert GRADER.compute(metrics) is WITHOUT_FLOORS.compute(metrics) is None


def test_without_floors_it_is_the_same_above_them_and_tells_networks_apart_below():
    above, below = ({"semseg/miou": miou, "depth/si_log_rmse": si} for miou, si in ((70.0, 26.0), (9.0, 71.0)))
    assert WITHOUT_FLOORS.compute(above) == GRADER.compute(above) == 44.0
    assert WITHOUT_FLOORS.compute(below) == -62.0 and GRADER.compute(below) == 0.0


def test_each_says_what_it_is():
    assert len({metric.name for metric in JOINT}) == len(JOINT)
    assert all(isinstance(metric.spec, MetricSpec) and "/" not in metric.name for metric in JOINT)
    assert GRADER.spec.higher_is_better and not GRADER.spec.in_delta_m
