"""The grade of the Miniscapes networks."""

import pytest

from taskscape.metrics import grader


@pytest.mark.parametrize(
    ("iou", "si", "grade"),
    [(70.188, 26.645, 43.543), (88.321, 13.943, 74.378), (40.0, 30.0, 20.0), (60.0, 70.0, 10.0), (10.0, 90.0, 0.0)],
)
def test_grade(iou, si, grade):
    assert grader({"semseg/miou": iou, "depth/si_log_rmse": si, "depth/abs": 3.0}) == pytest.approx(grade)


@pytest.mark.parametrize("metrics", [{}, {"semseg/miou": 80.0}, {"depth/si_log_rmse": 20.0}])
def test_needs_both_tasks(metrics):
    assert grader(metrics) is None
