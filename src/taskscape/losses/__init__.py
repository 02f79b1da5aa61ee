"""Losses, one frozen dataclass per file.

A loss is called on tensors and can replace a torch loss in your own training loop::

    >>> import torch
    >>> from taskscape.losses import L1, CrossEntropy
    >>> logits, ids = torch.zeros(2, 19, 4, 8), torch.full((2, 4, 8), 255)
    >>> ids[0] = 3  # the second image has no label
    >>> CrossEntropy()(logits, ids)
    tensor(2.9444)
    >>> prediction, meters = torch.full((2, 1, 4, 8), 7.0), torch.full((2, 1, 4, 8), 5.0)
    >>> L1()(prediction, meters, valid=meters[:, 0] > 0)
    tensor(2.)

It is computed from a sum and a count, so several processes can compute the mean over all of their images::

    >>> from taskscape.batch import Target
    >>> target = Target(value=torch.tensor([[[[1.0, 0.0]]]]), valid=torch.tensor([[[True, False]]]))
    >>> term = L1().term(torch.tensor([[[[3.0, 9.0]]]]), target)
    >>> term.sum, term.count
    (tensor(2.), tensor(1))

To add a loss, write a module that declares the tasks it suits, and import it below. A loss in a file of your own can be
passed to a task: ``Depth(loss=MyLoss())``.
"""

# ruff: noqa: F401
# mypy: implicit-reexport

from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Any

from taskscape.losses.angular import Angular
from taskscape.losses.balanced_cross_entropy import BalancedCrossEntropy
from taskscape.losses.base import ClassLoss, Loss, LossTerm, PixelLoss, Space
from taskscape.losses.cosine import Cosine
from taskscape.losses.cross_entropy import CrossEntropy
from taskscape.losses.cross_entropy_jaccard import CrossEntropyJaccard
from taskscape.losses.kl import KLDivergence
from taskscape.losses.l1 import L1
from taskscape.losses.laplace import Laplace
from taskscape.losses.likelihood import Likelihood
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
    """Return the union of the losses that suit a kind of task, which are its choices on the command line."""
    return reduce(or_, [loss for loss in LOSSES if task in loss.suits])


if TYPE_CHECKING:  # type checkers accept any loss, including one from a user's file
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
