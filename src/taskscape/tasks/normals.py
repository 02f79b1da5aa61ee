"""Surface normals."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Literal

import torch
import torch.nn.functional as F
from torch import Tensor
from typing_extensions import override

from taskscape import modalities
from taskscape.batch import Target
from taskscape.losses import Angular, Cosine, LossTerm, NormalsLoss
from taskscape.losses.base import at_least_float32
from taskscape.metrics.normals import NormalsMetrics
from taskscape.tasks.base import Task
from taskscape.tasks.distributions.normals import NormalsAngular


@dataclass(frozen=True)
class SurfaceNormals(Task):
    """The orientation of every pixel's surface: a unit vector in camera axes (x right, y down, z forward).

    >>> import torch
    >>> SurfaceNormals().decode(torch.tensor([0.0, -3.0, 4.0]).view(1, 3, 1, 1)).flatten().tolist()
    [0.0, -0.6000000238418579, 0.800000011920929]
    """

    name: ClassVar[str] = "normals"

    loss: NormalsLoss = field(default_factory=Cosine)
    """The loss between prediction and target. With angular, the network also predicts the width of its errors in an
    additional channel, which gives the task a confidence."""
    metrics_per_batch: bool = False
    """Also report the mean over batches of each batch's angles, as MTAN does (metrics that end in _per_batch)."""
    source: str | None = None
    """The store's field of normals; none for the field with the task's name."""

    @property
    @override
    def modality(self) -> modalities.Normals:
        return modalities.Normals()

    @property
    @override
    def channels(self) -> int:
        """Three components, plus one channel if the loss predicts the width of the errors."""
        return 3 + self.loss.scale_channels

    @property
    @override
    def distribution(self) -> NormalsAngular | None:
        return NormalsAngular(self.loss) if isinstance(self.loss, Angular) else None

    @override
    def compute_loss(self, raw: Tensor, target: Target) -> LossTerm:
        """Compare directions, with their predicted width if the loss uses one."""
        return self.loss.term(raw[:, : self.channels], target)

    @override
    def decode(self, raw: Tensor) -> Tensor:
        """Normalize the output to unit length, (B, 3, H, W)."""
        self.check_channels(raw, 3, 4)
        return F.normalize(at_least_float32(raw[:, :3]), dim=1)

    @override
    def metrics(self) -> NormalsMetrics:
        return NormalsMetrics(per_batch=self.metrics_per_batch)

    @override
    def merge(self, raws: Sequence[Tensor], reduce: Literal["mean", "max"]) -> Tensor:
        """Return the mean of the unit vectors, whatever ``reduce`` is, since directions have no maximum.

        ``decode`` normalizes the mean to unit length.
        """
        return super().merge([self._unit(raw) for raw in raws], "mean")

    @override
    def blend(self, past: Tensor, raw: Tensor, share: Tensor) -> Tensor:
        """Average unit vectors, since the length of the output has no meaning."""
        return super().blend(self._unit(past), self._unit(raw), share)

    def _unit(self, raw: Tensor) -> Tensor:
        """Return raw output with its vectors normalized to unit length."""
        return torch.cat([self.decode(raw), at_least_float32(raw[:, 3:])], 1)

    @override
    def hflip(self, raw: Tensor) -> Tensor:
        """Flip the map and the x component of each direction; lengths are kept, unlike in ``Normals.warp``."""
        signs = raw.new_ones(raw.shape[1])
        signs[0] = -1
        return raw.flip(-1) * signs[:, None, None]
