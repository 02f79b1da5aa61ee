"""What the raw output of a task says about the truth: how probable each value is."""

from abc import ABC, abstractmethod
from typing import ClassVar, NamedTuple

from torch import Tensor

from taskscape.batch import Target


class Estimate(NamedTuple):
    """How sure a prediction is, (B, H, W) float32 each."""

    probability: Tensor
    """That the prediction is right, in the sense of ``Distribution.right_when``: 0..1."""
    confidence: Tensor
    """What is shown, written and compared with a threshold, 0..1: the probability, unless the task's settings say
    otherwise (margin, entropy)."""
    uncertainty: Tensor
    """The error to be expected, in the unit of ``Distribution.error``, or another number that rises with it."""


class Distribution(ABC):
    """The predictive distribution of a task: what a raw output, (B, channels, H, W), says about the truth.

    ``spread`` is how much wider it is than the network says, the one number of a calibration: scores of classes are
    divided by it (temperature), widths multiplied.
    """

    right_when: ClassVar[str]
    """When a prediction counts as right, in words."""
    error_title: ClassVar[str]
    """What ``error`` is, in a word or two."""
    error_unit: ClassVar[str] = ""

    @property
    def confidence_words(self) -> str:
        """What ``Estimate.confidence`` is, in words."""
        return f"probability that {self.right_when}"

    @abstractmethod
    def estimate(self, raw: Tensor, spread: float = 1.0) -> Estimate:
        """Return how sure the raw output is."""

    @abstractmethod
    def nll(self, raw: Tensor, target: Target, spread: float = 1.0) -> Tensor:
        """Return the negative log-likelihood of the truth in nats, (B, H, W), finite where ``target.valid``.

        It falls and rises again with ``spread``: in 1 / spread it is convex.
        """

    @abstractmethod
    def right(self, prediction: Tensor, target: Target) -> Tensor:
        """Return where decoded predictions are right, (B, H, W) bool."""

    @abstractmethod
    def error(self, prediction: Tensor, target: Target) -> Tensor:
        """Return the error of decoded predictions at each pixel, (B, H, W), at least 0."""
