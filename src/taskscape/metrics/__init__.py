"""Metrics of predictions, with one file per kind of task, and the specs that describe each metric.

Metrics that need torch are imported when first accessed, so reports can read the specs without torch.
"""

from typing import TYPE_CHECKING

from taskscape.lazy import imported_on_first_use
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

__getattr__, __dir__ = imported_on_first_use(__name__, __all__, _MODULES)
