"""Cross-task consistency: predictions transferred from one task to another must agree with the direct ones."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Literal

from torch import Tensor
from typing_extensions import override

from taskscape.batch import Target
from taskscape.losses import Loss
from taskscape.models.tasks import ring
from taskscape.objectives.base import Objective, Tasks, global_mean, target_of
from taskscape.objectives.supervised import Supervised
from taskscape.serialization import nearest
from taskscape.serialization.ranges import Fraction
from taskscape.tasks import Task


@dataclass(frozen=True)
class CrossTaskConsistency(Objective):
    """Transferred predictions must agree with direct ones: (1 - λ) · a task's own loss + λ · its consistency loss.

    A transferred prediction is compared with the direct prediction of its target task, at the pixels where that task
    has ground truth. The direct prediction is detached; the input of the transfer network is not, so both the transfer
    network and the source task learn to agree. The loss is the task's own if nothing is transferred: in evaluation, for
    a network without transfer, and if the target task is absent from the batch.

    XTasC-Net (Nakano et al., https://arxiv.org/abs/2111.14122), for ``auxiliary["transferred"]`` of the network
    ``xtask``: with two tasks label = (1 - λ)·segmentation + λ·transferred depth, image = (1 - λ)·depth +
    λ·transferred segmentation.
    """

    name: ClassVar[str] = "consistency"

    weight: Fraction = 0.01
    """λ; the paper uses 0.01 for Cityscapes and 0.0001 for NYUv2."""
    weights: Mapping[str, Fraction] = field(default_factory=dict)
    """λ of individual tasks, by the name of the task whose prediction is transferred: the paper's λ1 is that of
    segmentation, λ2 that of depth."""
    target: Literal["prediction", "truth"] = "prediction"
    """The reference for transferred predictions: the direct predictions or, as a variant, the ground truth."""
    losses: Mapping[str, Loss] = field(default_factory=dict)
    """Losses for predictions transferred to a task, by the task's name; by default the task's own loss. The paper uses
    L1 and SSIM of depth in its representation, and cross-entropy and KL divergence for classes. Its label smoothing s
    spreads over the other classes only, which for C classes corresponds to s·C/(C - 1) here. On the command line:
    ``objective.losses.NAME:LOSS``."""

    @override
    def __call__(
        self,
        tasks: Tasks,
        final: Mapping[str, Tensor],
        auxiliary: Mapping[str, Mapping[str, Tensor]],
        targets: Mapping[str, Target],
    ) -> dict[str, Tensor]:
        """Return each task's own loss combined with that of its transferred prediction, for a single backward pass.

        Raises ``ValueError`` if ``weights`` or ``losses`` name a task that the network does not predict.
        """
        for name in (*self.weights, *self.losses):
            if name not in final:
                raise ValueError(f"objective: there is no task {name!r}{nearest(name, final)}")
        roles = dict(auxiliary)
        transferred = roles.pop("transferred", {})
        losses = Supervised()(tasks, final, roles, targets)
        for source, target in ring(final):
            if source in tasks and target in tasks and target in transferred:
                consistency = self._consistency(target, tasks[target], transferred[target], final[target], targets)
                weight = self.weights.get(source, self.weight)
                losses[source] = (1 - weight) * losses[source] + weight * consistency
        return losses

    def _consistency(
        self, name: str, task: Task, transferred: Tensor, direct: Tensor, targets: Mapping[str, Target]
    ) -> Tensor:
        target = target_of(name, task, direct, targets)
        if name in self.losses:
            dataclass: Any = task  # as every task is
            task = replace(dataclass, loss=self.losses[name])
        if self.target == "truth":
            term = task.compute_loss(transferred, target)
        else:
            term = task.compute_consistency(transferred, direct.detach(), target.valid)
        return global_mean(task.loss, term)
