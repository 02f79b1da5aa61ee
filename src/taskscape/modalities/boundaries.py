"""Boundaries between objects or classes."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from typing_extensions import override

from taskscape.batch import Target
from taskscape.modalities.base import Array, Counts, Mask, Modality

if TYPE_CHECKING:
    from torch import Tensor

_NO_LABEL = 255


@dataclass(frozen=True)
class Boundaries(Modality):
    """Boundaries between objects or classes, (H, W): 1 on a boundary, else 0. Predictions are probabilities."""

    name: ClassVar[str] = "boundaries"
    dtype: ClassVar[str] = "uint8"
    sentinel: ClassVar[int | None] = _NO_LABEL

    @property
    @override
    def unit(self) -> str:
        return "probability"

    @override
    def check(self, values: Array) -> None:
        if not np.isin(values, (0, 1)).all():
            raise ValueError("a boundary label is neither 0 nor 1: mark other pixels as not valid")

    @override
    def as_label(self, values: Array, valid: Mask) -> Array:
        """Return 1 where a boundary is more probable than not."""
        return (values > 0.5).astype(np.uint8)

    @override
    def unpack(self, stored: "Tensor") -> Target:
        """Return (B, 1, H, W) float32, 1 on a boundary."""
        return Target((stored == 1).float().unsqueeze(1), stored != _NO_LABEL)

    @property
    @override
    def bins(self) -> tuple[str, ...]:
        return ("elsewhere", "boundary")

    @override
    def histogram(self, values: Array) -> Counts:
        return np.bincount(values.astype(np.int64), minlength=2)

    @override
    def histogram_warnings(self, counts: Counts, median: float | None) -> list[str]:
        elsewhere, boundary = counts
        if boundary == 0:
            return ["there is no boundary: check that boundaries are 1 in the labels"]
        if boundary > elsewhere:
            return ["more pixels are boundary than not: check that boundaries are 1 and all else 0 in the labels"]
        return []

    @override
    def edges(self, values: Array, valid: Mask) -> Mask:
        return np.asarray((values == 1) & valid)
