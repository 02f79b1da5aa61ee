"""What trained networks are measured by: the metrics of one task per file."""

from taskscape.metrics.base import TaskMetric
from taskscape.metrics.depth import DepthMetrics
from taskscape.metrics.grader import grader
from taskscape.metrics.normals import NormalsMetrics
from taskscape.metrics.segmentation import SegmentationMetrics

__all__ = ["DepthMetrics", "NormalsMetrics", "SegmentationMetrics", "TaskMetric", "grader"]
