"""Base class of the predictive distributions of tasks."""

from abc import ABC, abstractmethod
from typing import ClassVar, NamedTuple

from torch import Tensor

from taskscape.batch import Target


class Estimate(NamedTuple):
    """The confidence and uncertainty of a prediction, (B, H, W) float32 each."""

    probability: Tensor
    """The probability, in 0..1, that the prediction is right as defined by ``Distribution.right_when``."""
    confidence: Tensor
    """The value that is displayed, saved and compared with a threshold, in 0..1: the probability, unless the task's
    settings choose another measure (margin, entropy)."""
    uncertainty: Tensor
    """The expected error, in the unit of ``Distribution.error``, or another number that increases with it."""


class Distribution(ABC):
    """The distribution of the ground truth that a task's raw output, (B, channels, H, W), predicts.

    ``spread`` is the single number of a calibration, the factor by which the distribution is wider than the network
    predicts: class scores are divided by it (temperature), widths are multiplied by it.
    """

    right_when: ClassVar[str]
    """The condition for a prediction to count as right, as text."""
    error_title: ClassVar[str]
    """A short name of ``error``."""

    @property
    def confidence_words(self) -> str:
        """A description of ``Estimate.confidence``."""
        return f"probability that {self.right_when}"

    @abstractmethod
    def estimate(self, raw: Tensor, spread: float = 1.0) -> Estimate:
        """Return the confidence and uncertainty of raw output."""

    @abstractmethod
    def nll(self, raw: Tensor, target: Target, spread: float = 1.0) -> Tensor:
        """Return the negative log-likelihood of the ground truth in nats, (B, H, W), finite where ``target.valid``.

        With increasing ``spread`` it first decreases, then increases; it is convex in 1 / spread.
        """

    @abstractmethod
    def right(self, prediction: Tensor, target: Target) -> Tensor:
        """Return a mask of the pixels whose decoded predictions are right, (B, H, W) bool."""

    @abstractmethod
    def error(self, prediction: Tensor, target: Target) -> Tensor:
        """Return the error of decoded predictions at each pixel, (B, H, W), nonnegative."""
