"""Optimisers and learning-rate schedules: torch's, as plain settings."""

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar

import torch

# ``fused`` updates all parameters in one pass over memory: on a CPU it halves the time of an optimiser's step.

Parameters = Iterable[dict[str, Any]]
"""Parameter groups as torch's optimisers take them."""


class OptimizerConfig(ABC):
    """The settings of one optimiser: a frozen dataclass that builds it."""

    name: ClassVar[str]
    """The name on the command line and in saved experiments."""

    @abstractmethod
    def build(self, groups: Parameters) -> torch.optim.Optimizer:
        """Build it for these parameter groups; a group may bring a learning rate of its own."""


@dataclass(frozen=True)
class SGD(OptimizerConfig):
    """Stochastic gradient descent with momentum."""

    name: ClassVar[str] = "sgd"

    lr: float = 3e-2
    """Learning rate."""
    momentum: float = 0.9
    """Momentum."""
    weight_decay: float = 1e-4
    """L2 penalty on the network's weights."""
    nesterov: bool = False
    """Look ahead."""

    def build(self, groups: Parameters) -> torch.optim.Optimizer:
        """Build it."""
        return torch.optim.SGD(
            groups, self.lr, self.momentum, weight_decay=self.weight_decay, nesterov=self.nesterov, fused=True
        )


@dataclass(frozen=True)
class Adam(OptimizerConfig):
    """Adam (Kingma and Ba, ICLR 2015)."""

    name: ClassVar[str] = "adam"

    lr: float = 1e-4
    """Learning rate."""
    betas: tuple[float, float] = (0.9, 0.999)
    """Decay of the first and second moments."""
    weight_decay: float = 0.0
    """L2 penalty on the network's weights."""

    def build(self, groups: Parameters) -> torch.optim.Optimizer:
        """Build it."""
        return torch.optim.Adam(groups, self.lr, self.betas, weight_decay=self.weight_decay, fused=True)


@dataclass(frozen=True)
class AdamW(OptimizerConfig):
    """Adam with decoupled weight decay (Loshchilov and Hutter, ICLR 2019)."""

    name: ClassVar[str] = "adamw"

    lr: float = 1e-3
    """Learning rate."""
    betas: tuple[float, float] = (0.9, 0.999)
    """Decay of the first and second moments."""
    weight_decay: float = 1e-2
    """Weight decay of the network's weights."""

    def build(self, groups: Parameters) -> torch.optim.Optimizer:
        """Build it."""
        return torch.optim.AdamW(groups, self.lr, self.betas, weight_decay=self.weight_decay, fused=True)


@dataclass(frozen=True)
class Schedule(ABC):
    """How the learning rate moves: a factor on the optimiser's, as a function of the epoch."""

    name: ClassVar[str]
    """The name on the command line and in saved experiments."""

    warmup: float = 0.0
    """Epochs of linear rise from zero, over which the factor below is scaled."""

    def factor(self, epoch: float, epochs: int) -> float:
        """Return the factor at ``epoch``, which counts from 0 with fractions, of ``epochs``."""
        rise = min(1.0, epoch / self.warmup) if self.warmup > 0 else 1.0
        return rise * self.shape(epoch, epochs)

    @abstractmethod
    def shape(self, epoch: float, epochs: int) -> float:
        """Return the factor without warm-up."""


@dataclass(frozen=True)
class Constant(Schedule):
    """The same learning rate throughout."""

    name: ClassVar[str] = "constant"

    def shape(self, epoch: float, epochs: int) -> float:
        """1."""
        return 1.0


@dataclass(frozen=True)
class Poly(Schedule):
    """(1 - epoch / epochs) to a power, as DeepLab trains."""

    name: ClassVar[str] = "poly"

    power: float = 0.9
    """The power."""

    def shape(self, epoch: float, epochs: int) -> float:
        """(1 - epoch / epochs)^power."""
        return float((1 - min(epoch / epochs, 1.0)) ** self.power)


@dataclass(frozen=True)
class Step(Schedule):
    """Multiplied by a factor every so many epochs, as MTAN trains."""

    name: ClassVar[str] = "step"

    every: int = 100
    """Epochs between two steps."""
    decay: float = 0.5
    """What a step multiplies by."""

    def shape(self, epoch: float, epochs: int) -> float:
        """decay^⌊epoch / every⌋."""
        return float(self.decay ** int(epoch // self.every))


@dataclass(frozen=True)
class Cosine(Schedule):
    """Half a cosine from 1 to 0."""

    name: ClassVar[str] = "cosine"

    def shape(self, epoch: float, epochs: int) -> float:
        """(1 + cos(π · epoch / epochs)) / 2."""
        return (1 + math.cos(math.pi * min(epoch / epochs, 1.0))) / 2


@dataclass(frozen=True)
class OneCycle(Schedule):
    """Up along a cosine and down again (Smith and Topin, 2018): quick when there is little time."""

    name: ClassVar[str] = "one-cycle"

    rise: float = 0.3
    """Share of the epochs in which the rate rises."""
    start: float = 0.04
    """Factor at the start."""
    end: float = 1e-4
    """Factor at the end."""

    def shape(self, epoch: float, epochs: int) -> float:
        """Cosine from ``start`` to 1 and from 1 to ``end``."""
        done = min(epoch / epochs, 1.0)
        if done < self.rise:
            return _cosine(self.start, 1.0, done / self.rise)
        return _cosine(1.0, self.end, (done - self.rise) / (1 - self.rise))


def _cosine(start: float, end: float, done: float) -> float:
    return end + (start - end) * (1 + math.cos(math.pi * done)) / 2
