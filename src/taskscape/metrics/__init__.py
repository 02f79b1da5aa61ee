"""Metrics of predictions, with one file per kind of task, and the specs that describe each metric.

Metrics that need torch are imported when first accessed, so reports can read the specs without torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from taskscape.metrics.joint import JOINT, JointMetric
from taskscape.metrics.spec import MetricSpec

if TYPE_CHECKING:
    from taskscape.metrics.albedo import AlbedoMetrics
    from taskscape.metrics.base import TaskMetric
    from taskscape.metrics.boundaries import BoundaryMetrics
    from taskscape.metrics.confidence import ConfidenceMetrics
    from taskscape.metrics.depth import DepthMetrics
    from taskscape.metrics.normals import NormalsMetrics
    from taskscape.metrics.semseg import SegmentationMetrics

__all__ = [
    "JOINT",
    "AlbedoMetrics",
    "BoundaryMetrics",
    "ConfidenceMetrics",
    "DepthMetrics",
    "JointMetric",
    "MetricSpec",
    "NormalsMetrics",
    "SegmentationMetrics",
    "TaskMetric",
]

_MODULES = {
    "AlbedoMetrics": "albedo",
    "BoundaryMetrics": "boundaries",
    "ConfidenceMetrics": "confidence",
    "DepthMetrics": "depth",
    "NormalsMetrics": "normals",
    "SegmentationMetrics": "semseg",
    "TaskMetric": "base",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
