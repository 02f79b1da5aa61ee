"""Kullback-Leibler divergence, for classes."""

import math
from dataclasses import dataclass
from typing import ClassVar

import torch.nn.functional as F
from torch import Tensor
from typing_extensions import override

from taskscape.losses.base import ClassLoss
from taskscape.serialization.ranges import BelowOne


@dataclass(frozen=True)
class KLDivergence(ClassLoss):
    """Kullback-Leibler divergence of predicted class probabilities from (smoothed) labels, in nats.

    Smaller than ``CrossEntropy`` by a constant, the entropy of the smoothed labels, so the gradients are the same.
    """

    name: ClassVar[str] = "kl-divergence"
    suits: ClassVar[tuple[str, ...]] = ("semseg",)

    label_smoothing: BelowOne = 0.0
    """Fraction of the label that is spread over all classes, at least 0 and below 1."""

    @override
    def per_pixel(self, prediction: Tensor, value: Tensor) -> Tensor:
        """Return Σ p·log(p / q) for labels p and predicted probabilities q."""
        spread = self.label_smoothing / prediction.shape[1]
        label = 1 - self.label_smoothing + spread
        other_mass = (prediction.shape[1] - 1) * spread
        entropy = -label * math.log(label) - (other_mass * math.log(spread) if other_mass else 0.0)
        return F.cross_entropy(prediction, value, reduction="none", label_smoothing=self.label_smoothing) - entropy
