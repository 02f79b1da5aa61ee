"""Cross-task consistency: predictions transferred from one task to another must agree with the direct ones."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from taskscape.batch import Target
from taskscape.losses import L1, Cosine, CrossEntropy, Loss, PixelLoss
from taskscape.losses.base import at_least_float32
from taskscape.objectives.supervised import Objective, Supervised, Tasks
from taskscape.distributed import total
from taskscape.tasks import Task


@dataclass(frozen=True)
class KLDivergence(PixelLoss):
    """Kullback-Leibler divergence of predicted class probabilities from (smoothed) labels.

    Less than ``CrossEntropy`` by the entropy of the smoothed labels, a constant: the gradients are the same.
    """

    name: ClassVar[str] = "kl"

    label_smoothing: float = 0.0
    """The part of the label that is spread over all classes."""

    def per_pixel(self, prediction: Tensor, value: Tensor) -> Tensor:
        """Return Σ p·log(p / q) for labels p and predicted probabilities q."""
        spread = self.label_smoothing / prediction.shape[1]
        label = 1 - self.label_smoothing + spread
        rest = (prediction.shape[1] - 1) * spread
        entropy = -label * math.log(label) - (rest * math.log(spread) if rest else 0.0)
        return F.cross_entropy(prediction, value, reduction="none", label_smoothing=self.label_smoothing) - entropy


@dataclass(frozen=True)
class SSIM(Loss):
    """(1 - SSIM) / 2 of 3×3 windows (Wang et al., TIP 2004), for maps whose values span about one.

    The mean over the windows all of whose pixels are valid, 0 where there are none.
    """

    name: ClassVar[str] = "ssim"

    def __call__(self, prediction: Tensor, target: Target) -> Tensor:
        """Return the scalar loss of (B, C, H, W) maps, at least 3×3."""
        invalid = ~target.valid.unsqueeze(1)
        x = at_least_float32(prediction).masked_fill(invalid, 0.0)
        y = target.value.to(x.dtype).masked_fill(invalid, 0.0)
        mean_x, mean_y = F.avg_pool2d(x, 3, 1), F.avg_pool2d(y, 3, 1)
        variance_x = F.avg_pool2d(x * x, 3, 1) - mean_x**2
        variance_y = F.avg_pool2d(y * y, 3, 1) - mean_y**2
        covariance = F.avg_pool2d(x * y, 3, 1) - mean_x * mean_y
        luminance = (2 * mean_x * mean_y + 0.01**2) / (mean_x**2 + mean_y**2 + 0.01**2)
        structure = (2 * covariance + 0.03**2) / (variance_x + variance_y + 0.03**2)
        errors = ((1 - luminance * structure) / 2).clamp(0, 1).mean(1)
        whole = F.max_pool2d(invalid.to(x.dtype), 3, 1).squeeze(1) == 0
        return errors.masked_fill(~whole, 0.0).sum() / total(whole.sum()).clamp(min=1)


@dataclass(frozen=True)
class CrossTaskConsistency(Objective):
    """(1 - λ) · a task's own loss + λ · the loss of what its prediction is transferred to.

    A transferred prediction is compared with the direct prediction of the task it was transferred to, which is held
    fixed, at the pixels where that task has a ground truth; the transferring network's input is not held fixed, so
    that both the network and the task it reads learn to agree. A loss is the task's own where nothing is transferred:
    in evaluation, for a network that transfers nothing, and to a task that is absent from the batch.

    XTasC-Net (Nakano et al., arXiv 2111.14122), for ``auxiliary["transferred"]`` of the network ``xtask``: with two
    tasks label = (1 - λ1)·segmentation + λ1·transferred depth, image = (1 - λ2)·depth + λ2·transferred segmentation.
    """

    name: ClassVar[str] = "consistency"

    lambda1: float = 0.01
    """λ of tasks that predict classes; 0.01 was published for Cityscapes, 0.0001 for NYUv2."""
    lambda2: float = 0.01
    """λ of the other tasks."""
    against: Literal["prediction", "truth"] = "prediction"
    """What transferred predictions are compared with: the direct ones, by the losses below, or, as a variant, the
    ground truth by the tasks' own losses."""
    segmentation: CrossEntropy | KLDivergence = field(default_factory=CrossEntropy)
    """How transferred class scores are compared with the classes of the direct ones. The published label smoothing s
    spreads over the other classes alone: that of C classes is s·C/(C - 1) here."""
    depth: L1 | SSIM = field(default_factory=L1)
    """How transferred depth is compared with the direct one, in its representation."""
    normals: Cosine = field(default_factory=Cosine)
    """How transferred directions are compared with the direct ones."""

    def __call__(
        self,
        tasks: Tasks,
        final: Mapping[str, Tensor],
        auxiliary: Mapping[str, Mapping[str, Tensor]],
        targets: Mapping[str, Target],
    ) -> dict[str, Tensor]:
        """Return each task's loss: its own and that of its transferred prediction, so that one backward pass does."""
        roles = dict(auxiliary)
        transferred = roles.pop("transferred", {})
        losses = Supervised()(tasks, final, roles, targets)
        order = list(final)
        for source, target in zip(order, order[1:] + order[:1], strict=True):  # whom ``xtask`` transfers to whom
            if source in tasks and target in tasks and target in transferred:
                consistency = self._consistency(tasks[target], transferred[target], final[target], targets[target])
                part = self.lambda1 if tasks[source].kind == "classes" else self.lambda2
                losses[source] = (1 - part) * losses[source] + part * consistency
        return losses

    def _consistency(self, task: Task, transferred: Tensor, direct: Tensor, target: Target) -> Tensor:
        if self.against == "truth":
            return task.loss_of(transferred, target)
        direct = direct.detach()
        match task.kind:
            case "classes":
                return self.segmentation(transferred, Target(task.decode(direct), target.valid))
            case "depth":
                return self.depth(transferred, Target(direct, target.valid))
            case "directions":
                return self.normals(transferred, Target(task.decode(direct), target.valid))


@torch.no_grad()
def consistency_energy(
    tasks: Tasks, final: Mapping[str, Tensor], transferred: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """Return how far transferred predictions are from the direct ones, the mean over all pixels, for each task.

    Classes: Kullback-Leibler divergence of the transferred probabilities from the direct ones. Else: mean absolute
    difference, of depth in its representation, of directions as unit vectors. In evaluation a network ``xtask`` gives
    the transferred predictions when asked: ``network.transfer(final)``.
    """
    energy = {}
    for name, raw in transferred.items():
        match tasks[name].kind:
            case "classes":
                there, here = (at_least_float32(x).log_softmax(1) for x in (raw, final[name]))
                energy[name] = F.kl_div(there, here, reduction="none", log_target=True).sum(1).mean()
            case "depth":
                energy[name] = (at_least_float32(raw) - at_least_float32(final[name])).abs().mean()
            case "directions":
                energy[name] = (tasks[name].decode(raw) - tasks[name].decode(final[name])).abs().mean()
    return energy
