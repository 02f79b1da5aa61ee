"""Boundary detection."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Literal, Self

import torch
from torch import Tensor
from typing_extensions import override

from taskscape import modalities
from taskscape.batch import Target
from taskscape.devices import is_quick_to_read
from taskscape.losses import BalancedCrossEntropy, BoundaryLoss, LossTerm
from taskscape.losses.base import at_least_float32
from taskscape.metrics.boundaries import BoundaryMetrics
from taskscape.modalities import Modality
from taskscape.serialization.ranges import BelowOne
from taskscape.tasks.base import Task, read_as
from taskscape.tasks.distributions.classes import Bernoulli


@dataclass(frozen=True)
class Boundaries(Task):
    """Pixels where one object or class ends and another begins.

    The labels are boundaries, or are derived from the classes of another field: ``Boundaries(source="semseg")``.
    """

    name: ClassVar[str] = "boundaries"

    tolerance: BelowOne = 0.0075
    """Largest distance between a predicted and a true boundary that the metrics accept, as a fraction of the image's
    diagonal."""
    loss: BoundaryLoss = field(default_factory=BalancedCrossEntropy)
    """The loss between prediction and label."""
    confidence: Literal["probability"] | None = None
    """Calibrate and measure the confidence, the probability of the decision: boundary or not."""
    source: str | None = None
    """The store's field of boundaries or classes; none for the field with the task's name."""

    @property
    @override
    def modality(self) -> modalities.Boundaries:
        return modalities.Boundaries()

    @property
    @override
    def channels(self) -> int:
        """One: the logit of a boundary."""
        return 1

    @property
    @override
    def distribution(self) -> Bernoulli:
        return Bernoulli()

    @property
    @override
    def measures_confidence(self) -> bool:
        return self.confidence is not None

    @override
    def for_data(self, field: str, modality: Modality) -> Self:
        read_as(field, modality, modalities.Boundaries, modalities.Semseg)
        return self

    @override
    def target(self, target: Target, modality: Modality) -> Target:
        """Derive boundaries from the labels if they are classes."""
        return class_boundaries(target) if isinstance(modality, modalities.Semseg) else target

    @override
    def compute_loss(self, raw: Tensor, target: Target) -> LossTerm:
        """Compare logits with labels in 0..1.

        Raises ``ValueError`` for other valid labels; not on a GPU, since reading them would force a synchronization.
        """
        value, valid = target
        if is_quick_to_read(value) and (((value < 0) | (value > 1)).squeeze(1) & valid).any():
            raise ValueError("a boundary is not in 0 … 1 at a valid pixel: divide labels of 0 and 255 by 255")
        return super().compute_loss(raw, target)

    @override
    def decode(self, raw: Tensor) -> Tensor:
        """Return the probability of a boundary, (B, 1, H, W)."""
        self.check_channels(raw, 1)
        return at_least_float32(raw).sigmoid()

    @override
    def merge(self, raws: Sequence[Tensor], reduce: Literal["mean", "max"]) -> Tensor:
        """Return the logit of the mean, or maximum, of the probabilities."""
        return super().merge([self.decode(raw) for raw in raws], reduce).logit(eps=1e-7)

    @override
    def metrics(self) -> BoundaryMetrics:
        return BoundaryMetrics(self.tolerance)


def class_boundaries(target: Target) -> Target:
    """Return the boundaries, (B, 1, H, W) float32, between the classes of (B, H, W) ids.

    A pixel is on a boundary if a pixel above, below, left or right of it has a different class, so lines are two pixels
    thick. A pixel next to one without a class is valid only if it is on a boundary anyway. The image border is not a
    boundary.
    """
    ids, valid = target
    boundary, unknown = torch.zeros_like(valid), ~valid
    for dim in (-2, -1):
        (id_here, id_there), (valid_here, valid_there) = _neighbors(ids, dim), _neighbors(valid, dim)
        both_valid = valid_here & valid_there
        differs = both_valid & (id_here != id_there)
        for view in _neighbors(boundary, dim):
            view |= differs
        for view in _neighbors(unknown, dim):
            view |= ~both_valid
    return Target(boundary.float().unsqueeze(1), valid & (boundary | ~unknown))


def _neighbors(x: Tensor, dim: int) -> tuple[Tensor, Tensor]:
    """Return views without the last and without the first pixels along a dimension, which pair up as neighbors."""
    count = x.shape[dim] - 1
    return x.narrow(dim, 0, count), x.narrow(dim, 1, count)
