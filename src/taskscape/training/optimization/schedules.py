"""Learning-rate schedules."""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar, SupportsFloat

from typing_extensions import override

from taskscape.serialization import named, offer
from taskscape.serialization.ranges import BelowOne, Count, NonNegative, Positive, RangedSettings


@dataclass(frozen=True)
class Schedule(RangedSettings, ABC):
    """A learning-rate schedule: a factor on the optimizer's learning rate, as a function of the epoch."""

    name: ClassVar[str]
    """The name on the command line and in saved experiments."""

    warmup: NonNegative = 0.0
    """Epochs at the start over which the learning rate rises linearly from zero."""

    def factor(self, epoch: float, epochs: int) -> float:
        """Return the factor at ``epoch``, which is fractional and counts from 0, out of ``epochs``.

        Raises ``ValueError`` if ``shape``, such as a user's, does not return a finite number ≥ 0.
        """
        warmup_factor = min(1.0, epoch / self.warmup) if self.warmup > 0 else 1.0
        shape: Any = self.shape(epoch, epochs)
        if not (isinstance(shape, SupportsFloat) and 0 <= float(shape) < math.inf):
            raise ValueError(f"{named(type(self).shape)} gives {shape!r} at epoch {epoch:g}: return a number ≥ 0")
        return warmup_factor * float(shape)

    @abstractmethod
    def shape(self, epoch: float, epochs: int) -> float:
        """Return the factor without warm-up."""


@dataclass(frozen=True)
class Constant(Schedule):
    """A constant learning rate."""

    name: ClassVar[str] = "constant"

    @override
    def shape(self, epoch: float, epochs: int) -> float:
        return 1.0


@dataclass(frozen=True)
class Poly(Schedule):
    """Polynomial decay to zero, as in DeepLab: (1 - epoch / epochs)^power.

    Chen et al., TPAMI 2018, https://arxiv.org/abs/1606.00915.
    """

    name: ClassVar[str] = "poly"

    power: NonNegative = 0.9
    """The exponent; 0 keeps the learning rate constant."""
    per_epoch: bool = False
    """Change the learning rate between epochs only, not with every step."""

    @override
    def shape(self, epoch: float, epochs: int) -> float:
        if self.per_epoch:
            epoch = int(epoch)
        return float((1 - min(epoch / epochs, 1.0)) ** self.power)


@dataclass(frozen=True)
class Step(Schedule):
    """Step decay, as in MTAN: gamma^⌊epoch / step_size⌋.

    Liu et al., CVPR 2019, https://arxiv.org/abs/1803.10704.
    """

    name: ClassVar[str] = "step"

    step_size: Count = 100
    """Epochs between two decays."""
    gamma: Positive = 0.5
    """Factor of each decay."""

    @override
    def shape(self, epoch: float, epochs: int) -> float:
        return float(self.gamma ** int(epoch // self.step_size))


@dataclass(frozen=True)
class Cosine(Schedule):
    """Cosine annealing, from one to zero: (1 + cos(π · epoch / epochs)) / 2.

    Loshchilov and Hutter, ICLR 2017, https://arxiv.org/abs/1608.03983.
    """

    name: ClassVar[str] = "cosine"

    @override
    def shape(self, epoch: float, epochs: int) -> float:
        return (1 + math.cos(math.pi * min(epoch / epochs, 1.0))) / 2


@dataclass(frozen=True)
class OneCycle(Schedule):
    """One cycle, up along a cosine and down again, which suits short training (Smith and Topin, 2018,
    https://arxiv.org/abs/1708.07120).
    """

    name: ClassVar[str] = "one-cycle"

    pct_start: BelowOne = 0.3
    """Fraction of the epochs during which the learning rate rises: at least 0, below 1."""
    start: NonNegative = 0.04
    """Factor at the start."""
    end: NonNegative = 1e-4
    """Factor at the end."""

    @override
    def shape(self, epoch: float, epochs: int) -> float:
        progress = min(epoch / epochs, 1.0)
        if progress < self.pct_start:
            return _cosine(self.start, 1.0, progress / self.pct_start)
        return _cosine(1.0, self.end, (progress - self.pct_start) / (1 - self.pct_start))


def _cosine(start: float, end: float, progress: float) -> float:
    return end + (start - end) * (1 + math.cos(math.pi * progress)) / 2


SCHEDULES: tuple[type[Schedule], ...] = (Constant, Poly, Step, Cosine, OneCycle)
"""The schedules that the package offers."""

offer(Schedule, SCHEDULES)
