"""What predictions are compared by: one frozen dataclass per file.

A loss gives a sum and a count, so that any number of processes computes the mean over all their images::

    >>> import torch
    >>> from taskscape.batch import Target
    >>> from taskscape.losses import L1
    >>> loss = L1()
    >>> target = Target(value=torch.tensor([[[[1.0, 0.0]]]]), valid=torch.tensor([[[True, False]]]))
    >>> loss.mean(loss(torch.tensor([[[[3.0, 9.0]]]]), target))
    tensor(2.)

To add one, write its file, which says what tasks it suits, and import it below; or keep it in a file of your own and
give it to a task: ``Depth(loss=MyLoss())``.
"""

# ruff: noqa: F401
# mypy: implicit-reexport

from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Any

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

LOSSES: tuple[type[Loss], ...] = tuple(
    value
    for value in list(globals().values())
    if isinstance(value, type) and issubclass(value, Loss) and "name" in vars(value)
)
"""All losses imported above."""

offer(Loss, LOSSES)


def choices(task: str) -> Any:
    """Return the union of the losses that suit a kind of task: what the command line offers for it."""
    return reduce(or_, [loss for loss in LOSSES if task in loss.suits])


if TYPE_CHECKING:  # any loss may stand here, one from a user's file too
    SegmentationLoss = Loss
    DepthLoss = Loss
    NormalsLoss = Loss
    BoundaryLoss = Loss
    AlbedoLoss = Loss
else:
    SegmentationLoss = choices("semseg")
    DepthLoss = choices("depth")
    NormalsLoss = choices("normals")
    BoundaryLoss = choices("boundaries")
    AlbedoLoss = choices("albedo")
