"""Metrics of several tasks together, computed from the metrics of each task. Does not import torch."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar

from typing_extensions import override

from taskscape.metrics.spec import MetricSpec


class JointMetric(ABC):
    """A single metric computed from the metrics of several tasks."""

    name: ClassVar[str]
    """Its key among the metrics of a result, without a task's prefix."""
    spec: ClassVar[MetricSpec]
    of_data: ClassVar[tuple[str, ...]] = ()
    """Kinds of data (``Manifest.source``) whose papers report it; runs on them show it even though it is optional."""

    @abstractmethod
    def compute(self, metrics: Mapping[str, float]) -> float | None:
        """Return the value from metrics by ``task/metric``; ``None`` if a required metric is missing."""


class Grader(JointMetric):
    """The grade of the Miniscapes networks: max(IoU - 50, 0) + max(50 - SI, 0), from 0 to 100.

    IoU is ``semseg/miou`` in percent, SI is ``depth/si_log_rmse``.

    >>> Grader().compute({"semseg/miou": 86.2, "depth/si_log_rmse": 16.7})
    69.5
    """

    name = "grader"
    spec = MetricSpec(
        "Grader",
        text="max(mIoU - 50, 0) + max(50 - SI-logRMSE × 100, 0): both tasks in one number.",
        higher_is_better=True,
        optional=True,
    )
    of_data = ("miniscapes",)

    @override
    def compute(self, metrics: Mapping[str, float]) -> float | None:
        """Return the grade."""
        if "semseg/miou" not in metrics or "depth/si_log_rmse" not in metrics:
            return None
        return max(metrics["semseg/miou"] - 50, 0.0) + max(50 - metrics["depth/si_log_rmse"], 0.0)


class GraderWithoutFloors(JointMetric):
    """mIoU - SI: the ``Grader`` without its floors at 50, for networks that are below them.

    A network trained for a few hundred steps is below both floors, so that its grade is 0 whatever it has learned, or
    below one of them, so that the grade ignores that task. Above both floors, this equals the grade.

    >>> GraderWithoutFloors().compute({"semseg/miou": 30.0, "depth/si_log_rmse": 60.0})
    -30.0
    """

    name = "grader_without_floors"
    spec = MetricSpec(
        "Grader without floors",
        text="mIoU - SI-logRMSE × 100: the Grader for networks that are below its floors.",
        higher_is_better=True,
        optional=True,
    )

    @override
    def compute(self, metrics: Mapping[str, float]) -> float | None:
        """Return the difference."""
        if "semseg/miou" not in metrics or "depth/si_log_rmse" not in metrics:
            return None
        return metrics["semseg/miou"] - metrics["depth/si_log_rmse"]


JOINT: tuple[JointMetric, ...] = (Grader(), GraderWithoutFloors())
"""All joint metrics."""
