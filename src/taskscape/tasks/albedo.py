"""Intrinsic images: albedo."""

from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor
from typing_extensions import override

from taskscape import modalities
from taskscape.batch import Target
from taskscape.losses import AlbedoLoss, Laplace, LossTerm, ScaleInvariantMSE
from taskscape.losses.base import at_least_float32
from taskscape.metrics.albedo import AlbedoMetrics
from taskscape.tasks.base import Task
from taskscape.tasks.distributions.albedo import AlbedoLaplace


@dataclass(frozen=True)
class Albedo(Task):
    """The color of every surface without its illumination: linear red, green and blue in 0..1."""

    name: ClassVar[str] = "albedo"

    loss: AlbedoLoss = field(default_factory=ScaleInvariantMSE)
    """The loss between prediction and target, both linear reflectance. With laplace, the network also predicts the
    width of its errors in an additional channel, which gives the task a confidence."""
    source: str | None = None
    """The store's field of albedo; none for the field with the task's name."""

    @property
    @override
    def modality(self) -> modalities.Albedo:
        return modalities.Albedo()

    @property
    @override
    def channels(self) -> int:
        """Three for red, green and blue, plus one if the loss predicts the width of the errors."""
        return 3 + self.loss.scale_channels

    @property
    @override
    def distribution(self) -> AlbedoLaplace | None:
        return AlbedoLaplace(self.loss) if isinstance(self.loss, Laplace) else None

    @override
    def compute_loss(self, raw: Tensor, target: Target) -> LossTerm:
        """Compare linear reflectance, for any loss."""
        return self.loss.term(torch.cat([self.decode(raw), at_least_float32(raw[:, 3 : self.channels])], 1), target)

    @override
    def decode(self, raw: Tensor) -> Tensor:
        """Return the logistic function of the output, (B, 3, H, W) in 0..1."""
        self.check_channels(raw, 3, 4)
        return at_least_float32(raw[:, :3]).sigmoid()

    @override
    def metrics(self) -> AlbedoMetrics:
        return AlbedoMetrics()
