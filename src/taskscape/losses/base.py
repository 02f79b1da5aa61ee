"""What every loss of this package is."""

from abc import ABC, abstractmethod
from typing import ClassVar

from torch import Tensor

from taskscape.batch import Target
from taskscape.processes import total


class Loss(ABC):
    """A frozen dataclass of plain values that compares a prediction with a target.

    The value is this process's share of the joint loss: added up over all processes, values and gradients are those
    of the joined batch. The target must have a valid pixel on at least one process.
    """

    name: ClassVar[str]
    """The name on the command line and in saved experiments."""

    @abstractmethod
    def __call__(self, prediction: Tensor, target: Target) -> Tensor:
        """Return the scalar loss.

        ``prediction`` is (B, C, H, W); ``target.value`` is what the loss compares it with, ``target.valid`` says
        where. Computed in float32 (or wider) whatever the precision of the prediction.
        """


class PixelLoss(Loss):
    """A mean over the valid pixels of the joined batch."""

    @abstractmethod
    def per_pixel(self, prediction: Tensor, value: Tensor) -> Tensor:
        """Return the loss of every pixel, (B, H, W)."""

    def amount(self, prediction: Tensor, value: Tensor, valid: Tensor) -> Tensor:
        """Return what this process adds to the divisor of the mean: its number of valid pixels."""
        return valid.sum()

    def __call__(self, prediction: Tensor, target: Target) -> Tensor:
        """Return Σ over this process's valid pixels / amount of all processes."""
        invalid = ~target.valid
        # Invalid pixels hold zeros before anything is computed: what overflows there would leave NaN in the gradient.
        value = target.value.masked_fill(invalid.unsqueeze(1) if target.value.ndim == 4 else invalid, 0)
        prediction = at_least_float32(prediction)
        errors = self.per_pixel(prediction, value).masked_fill(invalid, 0.0)
        return errors.sum() / total(self.amount(prediction, value, target.valid))


def at_least_float32(x: Tensor) -> Tensor:
    """Return ``x``, widened if it is narrower than float32."""
    return x if x.dtype.itemsize >= 4 else x.float()
