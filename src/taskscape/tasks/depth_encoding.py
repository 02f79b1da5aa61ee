"""Conversion between metres within a range and their normalized representation."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from taskscape.losses.base import at_least_float32

Representation = Literal["metres", "log", "inverse"]


@dataclass(frozen=True)
class DepthEncoding:
    """Encodes metres as (f(metres) - mean) / std, where f is the identity, the natural logarithm or the inverse."""

    representation: Representation
    mean: float
    std: float
    range: tuple[float, float]
    """Nearest and farthest depth in metres, 0 < nearest < farthest."""

    def encode(self, metres: Tensor) -> Tensor:
        """Return the normalized representation of metres, clamped to the range."""
        return self.normalize(self.clamp(metres))

    def decode(self, normalized: Tensor) -> Tensor:
        """Return metres within the range."""
        value = at_least_float32(normalized) * self.std + self.mean
        nearest, farthest = self.range
        match self.representation:
            case "metres":
                return self.clamp(value)
            case "log":
                lowest, highest = (torch.tensor(metres).log().item() for metres in self.range)
                return value.clamp(lowest, highest).exp()
            case "inverse":
                return 1 / value.clamp(1 / farthest, 1 / nearest)

    def normalize(self, metres: Tensor) -> Tensor:
        """Return (f(metres) - mean) / std without clamping."""
        return (self.represent(metres) - self.mean) / self.std

    def represent(self, metres: Tensor) -> Tensor:
        """Return f(metres)."""
        match self.representation:
            case "metres":
                return metres
            case "log":
                return metres.log()
            case "inverse":
                return 1 / metres

    def relative_slope(self, metres: Tensor) -> Tensor:
        """Return the relative change of depth per unit change of f(metres): |d log metres / d f|."""
        match self.representation:
            case "metres":
                return 1 / metres
            case "log":
                return torch.ones_like(metres)
            case "inverse":
                return metres

    def clamp(self, metres: Tensor) -> Tensor:
        """Clamp metres to the range."""
        return metres.clamp(*self.range)
