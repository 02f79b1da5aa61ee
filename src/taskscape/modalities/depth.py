"""Depth along the optical axis."""

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from typing_extensions import override

from taskscape.batch import Target
from taskscape.modalities.base import Array, Counts, Modality

if TYPE_CHECKING:
    from torch import Tensor

PLAUSIBLE = (0.3, 150.0)
"""Metres between which the median of a split's depth lies, of a room or a street."""
_EDGES = np.array([0.0, *2.0 ** np.arange(-2, 9), np.inf])
"""Of the histogram: octaves from 0.25 to 256, and what lies outside."""


@dataclass(frozen=True)
class Depth(Modality):
    """How far every pixel is away along the optical axis, (H, W)."""

    name: ClassVar[str] = "depth"
    # Half precision would round by up to 0.05 % and overflow at 65 km, which raw disparities reach.
    dtype: ClassVar[str] = "float32"
    sentinel: ClassVar[int | None] = 0

    metric: bool = True
    """Whether the depth is in metres. Relative depth is proportional to metres within an image only, and in stores the
    median of every image is 1."""

    @property
    @override
    def unit(self) -> str:
        return "metre" if self.metric else "median of the image"

    @override
    def check(self, values: Array) -> None:
        if not np.all((values > 0) & (values < np.inf)):
            raise ValueError("a valid depth is not a positive, finite number of metres: mark such pixels as not valid")

    @override
    def unpack(self, stored: "Tensor") -> Target:
        """Return (B, 1, H, W) float32 depth, 0 where there is none."""
        return Target(stored.unsqueeze(1), stored > 0)

    @override
    def warp(self, value: "Tensor", motion: "Tensor", depth_ratio: "Tensor") -> "Tensor":
        return value / depth_ratio

    @override
    def accumulate(self, target: Target) -> "Tensor":
        """Return the sum of the logarithms, and the number of pixels."""
        import torch

        valid = target.valid.unsqueeze(1)
        return torch.cat([target.value.masked_fill(~valid, 1.0).log(), valid.float()], 1).double().sum(0)

    @override
    def average(self, sums: "Tensor") -> "Tensor":
        """Return the geometric mean, (1, H, W)."""
        return (sums[:1] / sums[1:].clamp(min=1)).exp()

    @property
    @override
    def bins(self) -> tuple[str, ...]:
        return tuple(f"{low:g} … {high:g}" for low, high in pairwise(_EDGES))

    @override
    def histogram(self, values: Array) -> Counts:
        return np.histogram(values, _EDGES)[0]

    @override
    def median(self, values: Array) -> float | None:
        """Return the median of metric depth; that of relative depth is 1."""
        return float(np.median(values)) if self.metric else None

    @override
    def implausible(self, counts: Counts, median: float | None) -> list[str]:
        nearest, farthest = PLAUSIBLE
        if median is None or nearest <= median <= farthest:
            return []
        return [
            f"the median depth is {median:.3g} m, not {nearest:g} … {farthest:g} m as in rooms and streets: "
            "check the unit it was prepared with"
        ]
