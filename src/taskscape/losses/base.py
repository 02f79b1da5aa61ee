"""What every loss of this package is: a frozen dataclass that gives a sum and a count."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import ClassVar, Literal, Self

from torch import Tensor

from taskscape.batch import Target
from taskscape.serialization.ranges import RangedSettings

Space = Literal["value", "representation"]
"""What a loss compares: values (metres), or the representation of them that the network puts out (log, inverse, …)."""


@dataclass(frozen=True)
class LossTerm:
    """A loss before its division, so that parts of a batch add up: its mean is the sum of sums by the sum of counts."""

    sum: Tensor
    """This process's sum over what counts, with its gradient: a scalar, or a vector for a loss of several sums."""
    count: Tensor
    """This process's count (or sum of weights), a scalar without a gradient."""


class Loss(RangedSettings, ABC):
    """Compares a prediction with a target. A frozen dataclass of plain values, called like a function.

    ``loss(prediction, target)`` gives a ``LossTerm`` of this process; ``loss.mean(term)`` the scalar on one process.
    With several processes ``taskscape.objectives`` sums both parts first: no loss knows of processes.
    """

    name: ClassVar[str]
    """The name on the command line and in saved experiments."""
    suits: ClassVar[tuple[str, ...]] = ()
    """The kinds of task whose choices on the command line it is among. In Python and in files any task takes any."""
    space: ClassVar[Space] = "representation"
    """In which of the two it compares, for tasks whose network puts out something else than values, such as depth."""

    @abstractmethod
    def __call__(self, prediction: Tensor, target: Target) -> LossTerm:
        """Return the sum and the count of this batch.

        ``prediction`` is (B, C, H, W); ``target.value`` is what the loss compares it with, ``target.valid`` says
        where. Computed in float32 (or wider) whatever the precision of the prediction.
        """

    def for_labels(self, targets: Callable[[], Iterable[Target]], channels: int) -> tuple[Self, list[str]]:
        """Return this loss with what it left to the training labels filled in, and what the user should know of it.

        ``targets`` reads all training labels, a batch at a time; a loss that leaves nothing open does not call it.
        ``channels`` is the number of channels of the prediction.
        """
        return self, []

    def finish(self, mean: Tensor) -> Tensor:
        """Return the scalar loss from sum / count; the identity but for losses such as a root of the mean."""
        return mean

    def mean(self, term: LossTerm) -> Tensor:
        """Return the scalar loss of a term that covers the whole batch. Where nothing counts the mean is 0."""
        return self.finish(term.sum / term.count.clamp(min=1e-12))


class PixelLoss(Loss):
    """A mean over the valid pixels."""

    @abstractmethod
    def per_pixel(self, prediction: Tensor, value: Tensor) -> Tensor:
        """Return the loss of every pixel, (B, H, W)."""

    def normalizer(self, prediction: Tensor, value: Tensor, valid: Tensor) -> Tensor:
        """Return what the mean is divided by: the number of valid pixels."""
        return valid.sum()

    def __call__(self, prediction: Tensor, target: Target) -> LossTerm:
        """Return Σ of the valid pixels' losses, and the ``normalizer``."""
        invalid = ~target.valid
        # Invalid pixels hold zeros before anything is computed: what overflows there would leave NaN in the gradient.
        value = target.value.masked_fill(invalid.unsqueeze(1) if target.value.ndim == 4 else invalid, 0)
        prediction = at_least_float32(prediction)
        errors = self.per_pixel(prediction, value).masked_fill(invalid, 0.0)
        return LossTerm(errors.sum(), self.normalizer(prediction, value, target.valid))


def at_least_float32(x: Tensor) -> Tensor:
    """Return ``x``, widened if it is narrower than float32."""
    return x if x.dtype.itemsize >= 4 else x.float()


def check_positive(field: str, value: float) -> None:
    """Raise ``ValueError`` that names the field unless the value is positive and finite."""
    if not 0 < value < math.inf:
        raise ValueError(f"{field} is {value}: it must be positive and finite")
