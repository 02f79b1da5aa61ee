"""Conversion between meters within a range and their normalized representation."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from taskscape.losses.base import at_least_float32

Representation = Literal["meters", "log", "inverse"]


@dataclass(frozen=True)
class DepthEncoding:
    """Encodes meters as (f(meters) - mean) / std, where f is the identity, the natural logarithm or the inverse."""

    representation: Representation
    mean: float
    std: float
    range: tuple[float, float]
    """Nearest and farthest depth in meters, 0 < nearest < farthest."""

    def encode(self, meters: Tensor) -> Tensor:
        """Return the normalized representation of meters, clamped to the range."""
        return self.normalize(self.clamp(at_least_float32(meters)))

    def decode(self, normalized: Tensor) -> Tensor:
        """Return meters within the range."""
        value = at_least_float32(normalized) * self.std + self.mean
        nearest, farthest = self.range
        match self.representation:
            case "meters":
                return self.clamp(value)
            case "log":
                lowest, highest = (torch.tensor(meters).log().item() for meters in self.range)
                return value.clamp(lowest, highest).exp()
            case "inverse":
                return 1 / value.clamp(1 / farthest, 1 / nearest)

    def normalize(self, meters: Tensor) -> Tensor:
        """Return (f(meters) - mean) / std without clamping."""
        return (self.represent(meters) - self.mean) / self.std

    def represent(self, meters: Tensor) -> Tensor:
        """Return f(meters)."""
        match self.representation:
            case "meters":
                return meters
            case "log":
                return meters.log()
            case "inverse":
                return 1 / meters

    def relative_slope(self, meters: Tensor) -> Tensor:
        """Return the relative change of depth per unit change of f(meters): |d log meters / d f|."""
        match self.representation:
            case "meters":
                return 1 / meters
            case "log":
                return torch.ones_like(meters)
            case "inverse":
                return meters

    def clamp(self, meters: Tensor) -> Tensor:
        """Clamp meters to the range."""
        return meters.clamp(*self.range)
