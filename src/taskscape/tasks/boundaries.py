"""Boundary detection."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Literal, Self

import torch
from torch import Tensor
from typing_extensions import override

from taskscape import modalities
from taskscape.batch import Target
from taskscape.losses import BalancedCrossEntropy, BoundaryLoss
from taskscape.losses.base import at_least_float32
from taskscape.metrics.boundaries import BoundaryMetrics
from taskscape.modalities import Modality
from taskscape.tasks.base import Task, read_as
from taskscape.tasks.distributions.classes import Bernoulli


@dataclass(frozen=True)
class Boundaries(Task):
    """Where one thing ends and another begins.

    The labels are boundaries, or derived from the classes of another field: ``Boundaries(source="semseg")``.
    """

    name: ClassVar[str] = "boundaries"

    tolerance: float = 0.0075
    """How far a predicted boundary may lie from a true one for the metrics, as a part of the image's diagonal."""
    loss: BoundaryLoss = field(default_factory=BalancedCrossEntropy)
    """How the prediction is compared with the label."""
    confidence: Literal["probability"] | None = None
    """Calibrate and measure how sure it is, by the probability of what was decided: boundary or not."""
    source: str | None = None
    """The store's field of boundaries or classes; none for the one with the task's own name."""

    def __post_init__(self) -> None:
        """Check the settings. Raises ``ValueError``."""
        super().__post_init__()
        if not 0 <= self.tolerance < 1:
            raise ValueError(f"tolerance is {self.tolerance}: it must be a part of the diagonal, such as 0.0075")

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
        """Derive boundaries from classes where the labels are classes."""
        return class_boundaries(target) if isinstance(modality, modalities.Semseg) else target

    @override
    def decode(self, raw: Tensor) -> Tensor:
        """Return the probability of a boundary, (B, 1, H, W)."""
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

    A pixel is on a boundary if a pixel above, below, left or right of it has another class: lines are two pixels thick.
    A pixel beside one without a class is valid only if it is on a boundary anyway. The image's border is no boundary.
    """
    ids, valid = target
    boundary, unknown = torch.zeros_like(valid), ~valid
    for dim in (-2, -1):
        (id_here, id_there), (valid_here, valid_there) = _neighbors(ids, dim), _neighbors(valid, dim)
        both = valid_here & valid_there
        differs = both & (id_here != id_there)
        for side in _neighbors(boundary, dim):
            side |= differs
        for side in _neighbors(unknown, dim):
            side |= ~both
    return Target(boundary.float().unsqueeze(1), valid & (boundary | ~unknown))


def _neighbors(x: Tensor, dim: int) -> tuple[Tensor, Tensor]:
    """Return views of all pixels but the last and all but the first along a dimension: pairs of neighbors."""
    count = x.shape[dim] - 1
    return x.narrow(dim, 0, count), x.narrow(dim, 1, count)
