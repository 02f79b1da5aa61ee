"""What predictions are compared by: one frozen dataclass per file.

A loss gives a sum and a count, so that any number of processes computes the mean over all their images::

    >>> import torch
    >>> from taskscape.batch import Target
    >>> from taskscape.losses import L1
    >>> loss = L1()
    >>> target = Target(value=torch.tensor([[[[1.0, 0.0]]]]), valid=torch.tensor([[[True, False]]]))
    >>> loss.mean(loss(torch.tensor([[[[3.0, 9.0]]]]), target))
    tensor(2.)

To add one, write its file and name it in ``LOSSES`` or, where a task should offer it, in that task's choices below; or
keep it in a file of your own and give it to a task: ``Depth(loss=MyLoss())``.
"""

from typing import TYPE_CHECKING

from taskscape.losses.balanced_cross_entropy import BalancedCrossEntropy
from taskscape.losses.base import Loss, LossTerm, PixelLoss, Space
from taskscape.losses.cosine import Cosine
from taskscape.losses.cross_entropy import CrossEntropy
from taskscape.losses.kl import KLDivergence
from taskscape.losses.l1 import L1
from taskscape.losses.log_l1 import LogL1
from taskscape.losses.mse import MSE
from taskscape.losses.si_log import SILog
from taskscape.losses.si_mse import ScaleInvariantMSE
from taskscape.losses.smooth_l1 import SmoothL1
from taskscape.losses.ssim import SSIM
from taskscape.serialization import offer

__all__ = [
    "L1",
    "LOSSES",
    "MSE",
    "SSIM",
    "AlbedoLoss",
    "BalancedCrossEntropy",
    "BoundaryLoss",
    "Cosine",
    "CrossEntropy",
    "DepthLoss",
    "KLDivergence",
    "LogL1",
    "Loss",
    "LossTerm",
    "NormalsLoss",
    "PixelLoss",
    "SILog",
    "ScaleInvariantMSE",
    "SegmentationLoss",
    "SmoothL1",
    "Space",
]

LOSSES = (
    CrossEntropy,
    KLDivergence,
    L1,
    MSE,
    LogL1,
    SmoothL1,
    SILog,
    SSIM,
    Cosine,
    BalancedCrossEntropy,
    ScaleInvariantMSE,
)
"""All losses of the package."""

if TYPE_CHECKING:  # any loss may stand here, one from a user's file too; the command line offers those below
    SegmentationLoss = Loss
    DepthLoss = Loss
    NormalsLoss = Loss
    BoundaryLoss = Loss
    AlbedoLoss = Loss
else:
    SegmentationLoss = CrossEntropy | KLDivergence
    DepthLoss = L1 | MSE | LogL1 | SmoothL1 | SILog
    NormalsLoss = Cosine
    BoundaryLoss = BalancedCrossEntropy
    AlbedoLoss = ScaleInvariantMSE | L1 | MSE

offer(Loss, LOSSES)
