"""What predictions are compared by: one frozen dataclass per file."""

from taskscape.losses.base import Loss, PixelLoss
from taskscape.losses.cosine import Cosine
from taskscape.losses.cross_entropy import CrossEntropy
from taskscape.losses.l1 import L1
from taskscape.losses.log_l1 import LogL1
from taskscape.losses.mse import MSE
from taskscape.losses.si_log import SILog
from taskscape.losses.smooth_l1 import SmoothL1

__all__ = [
    "L1",
    "MSE",
    "Cosine",
    "CrossEntropy",
    "DepthLoss",
    "LogL1",
    "Loss",
    "NormalsLoss",
    "PixelLoss",
    "SILog",
    "SegmentationLoss",
    "SmoothL1",
]

SegmentationLoss = CrossEntropy
DepthLoss = L1 | MSE | LogL1 | SmoothL1 | SILog
NormalsLoss = Cosine
