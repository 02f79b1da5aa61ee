"""Monocular depth."""

from dataclasses import dataclass, field, replace
from typing import ClassVar, Literal, Self

import torch
from torch import Tensor
from typing_extensions import override

from taskscape import modalities
from taskscape.batch import Target
from taskscape.losses import L1, DepthLoss, LossTerm
from taskscape.losses.base import at_least_float32
from taskscape.metrics.depth import DepthMetrics
from taskscape.modalities import Modality
from taskscape.tasks.base import Task, read_as

Representation = Literal["metres", "log", "inverse"]

# Mean and standard deviation of the depth of Miniscapes, on which the networks with normalized depth were published.
_NORMALIZATION: dict[Representation, tuple[float, float]] = {
    "metres": (27.0727, 29.1264),
    "log": (2.8936, 0.8661),
    "inverse": (0.0, 1.0),
}


_START = 0.1
"""Size of the raw outputs of a network that was not trained yet."""


@dataclass(frozen=True)
class Depth(Task):
    """How far every pixel is away, in metres along the optical axis.

    The network's output is a normalized representation of the metres: (f(metres) - mean) / std.
    """

    name: ClassVar[str] = "depth"

    representation: Representation = "log"
    """f: metres, their natural logarithm, or their inverse."""
    mean: float | None = None
    """Mean of f(metres); by default 27.0727 (metres), 2.8936 (log), 0 (inverse)."""
    std: float | None = None
    """Standard deviation of f(metres); by default 29.1264 (metres), 0.8661 (log), 1 (inverse)."""
    min_depth: float = 0.5
    """Nearest depth in metres: predictions and what they are compared with are clamped to it."""
    max_depth: float = 300.0
    """Farthest depth in metres, likewise."""
    metric: bool | None = None
    """Whether the depth of the data is in metres. Relative depth is proportional to metres within an image only, and
    the metrics that need a scale are left out. By default as the data says."""
    inverse_unit: float = 1.0
    """The depth in metres whose inverse the metrics inverse_abs_err and inverse_abs_rel call 1; 1.8499 for MTAN's
    Cityscapes."""
    loss: DepthLoss = field(default_factory=L1)
    """How the prediction is compared with the target."""
    source: str | None = None
    """The store's field of depth; none for the one with the task's own name."""

    def __post_init__(self) -> None:
        """Check the settings. Raises ``ValueError``."""
        if not 0 < self.min_depth < self.max_depth:
            raise ValueError(
                f"min_depth is {self.min_depth}, max_depth is {self.max_depth}: it must be 0 < min_depth < max_depth"
            )
        if self.std is not None and not self.std > 0:
            raise ValueError(f"std is {self.std}: it must be positive")

    @property
    @override
    def modality(self) -> modalities.Depth:
        """Metric depth, unless the data says otherwise."""
        return modalities.Depth(metric=self.metric is not False)

    @property
    @override
    def channels(self) -> int:
        return 1

    @property
    def normalization(self) -> tuple[float, float]:
        """The effective mean and standard deviation."""
        mean, std = _NORMALIZATION[self.representation]
        return (mean if self.mean is None else self.mean, std if self.std is None else self.std)

    @property
    @override
    def raw_is_value(self) -> bool:
        return self.representation == "metres" and self.normalization == (0.0, 1.0)

    @property
    @override
    def zero_is_clamped(self) -> bool:
        """Whether a raw output of about zero decodes to less than ``min_depth`` or more than ``max_depth``."""
        low, high = sorted(self.encode(torch.tensor([self.min_depth, self.max_depth])).tolist())
        return self.loss.space == "value" and not low - _START <= 0 <= high + _START

    @override
    def for_data(self, field: str, modality: Modality) -> Self:
        """Take from the data whether its depth is metric, unless that is set."""
        metric = read_as(field, modality, modalities.Depth).metric
        return self if self.metric is not None else replace(self, metric=metric)

    def encode(self, metres: Tensor) -> Tensor:
        """Turn metres into what the network learns to put out."""
        mean, std = self.normalization
        metres = self._clamp(metres)
        match self.representation:
            case "metres":
                value = metres
            case "log":
                value = metres.log()
            case "inverse":
                value = 1 / metres
        return (value - mean) / std

    @override
    def decode(self, raw: Tensor) -> Tensor:
        """Turn raw output into metres from ``min_depth`` to ``max_depth``, (B, 1, H, W)."""
        mean, std = self.normalization
        value = at_least_float32(raw) * std + mean
        match self.representation:
            case "metres":
                return self._clamp(value)
            case "log":
                nearest, farthest = (torch.tensor(metres).log().item() for metres in (self.min_depth, self.max_depth))
                return value.clamp(nearest, farthest).exp()
            case "inverse":
                return 1 / value.clamp(1 / self.max_depth, 1 / self.min_depth)

    @override
    def compute_loss(self, raw: Tensor, target: Target) -> LossTerm:
        """Compare metres or their representation, whichever is the ``space`` of the loss."""
        if self.loss.space == "value":
            return self.loss(self.decode(raw), target._replace(value=self._clamp(target.value)))
        return self.loss(raw, target._replace(value=self.encode(target.value)))

    @override
    def compute_consistency(self, raw: Tensor, reference: Tensor, valid: Tensor) -> LossTerm:
        """Compare representations as they are, without the way over metres that rounds and clamps."""
        if self.loss.space == "value":
            return super().compute_consistency(raw, reference, valid)
        return self.loss(raw, Target(reference, valid))

    @override
    def metrics(self) -> DepthMetrics:
        return DepthMetrics(self.inverse_unit, metric=self.modality.metric)

    def _clamp(self, metres: Tensor) -> Tensor:
        return metres.clamp(self.min_depth, self.max_depth)
