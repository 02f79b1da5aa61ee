"""Distributions of class scores: softmax and sigmoid."""

import math
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch.nn.functional as F
from torch import Tensor
from typing_extensions import override

from taskscape.batch import Target
from taskscape.losses.base import at_least_float32
from taskscape.tasks.distributions.base import Distribution, Estimate

ClassConfidence = Literal["probability", "margin", "entropy"]
"""The probability p₁ of the predicted class; p₁ - p₂, its margin over the next one; or 1 - H / log C with the entropy H
of all C classes."""


@dataclass(frozen=True)
class Categorical(Distribution):
    """The softmax of the scores divided by the temperature (Guo et al., ICML 2017, https://arxiv.org/abs/1706.04599)."""

    right_when: ClassVar[str] = "the class is right"
    error_title: ClassVar[str] = "share of wrong pixels"

    measure: ClassConfidence = "probability"

    @property
    @override
    def confidence_words(self) -> str:
        match self.measure:
            case "probability":
                return super().confidence_words
            case "margin":
                return "margin of the predicted class: its probability minus that of the next one"
            case "entropy":
                return "1 minus the entropy of all class probabilities, as a fraction of the maximum entropy"

    @override
    def estimate(self, raw: Tensor, spread: float = 1.0) -> Estimate:
        log_probabilities = (at_least_float32(raw) / spread).log_softmax(1)
        if self.measure == "probability":
            probability = log_probabilities.amax(1).exp()
            return Estimate(probability, probability, 1 - probability)
        probabilities = log_probabilities.exp()
        if self.measure == "margin":
            top_two = probabilities.topk(min(2, raw.shape[1]), 1).values
            probability, confidence = top_two[:, 0], top_two[:, 0] - (top_two[:, 1] if raw.shape[1] > 1 else 0)
        else:
            entropy = -(probabilities * log_probabilities).sum(1)
            probability, confidence = probabilities.amax(1), 1 - entropy / math.log(max(raw.shape[1], 2))
        return Estimate(probability, confidence.clamp(0, 1), (1 - confidence).clamp(0, 1))

    @override
    def nll(self, raw: Tensor, target: Target, spread: float = 1.0) -> Tensor:
        ids = target.value.masked_fill(~target.valid, 0)
        return F.cross_entropy(at_least_float32(raw) / spread, ids, reduction="none")

    @override
    def right(self, prediction: Tensor, target: Target) -> Tensor:
        return prediction == target.value

    @override
    def error(self, prediction: Tensor, target: Target) -> Tensor:
        return (prediction != target.value).float()


@dataclass(frozen=True)
class Bernoulli(Distribution):
    """A yes-or-no decision by the sigmoid of a score divided by the temperature, (B, 1, H, W)."""

    right_when: ClassVar[str] = "the decision at a threshold of 50 % is right"
    error_title: ClassVar[str] = "share of wrong pixels"

    @override
    def estimate(self, raw: Tensor, spread: float = 1.0) -> Estimate:
        probability = (at_least_float32(raw)[:, 0].abs() / spread).sigmoid()
        return Estimate(probability, probability, 1 - probability)

    @override
    def nll(self, raw: Tensor, target: Target, spread: float = 1.0) -> Tensor:
        score = at_least_float32(raw)[:, 0] / spread
        return F.binary_cross_entropy_with_logits(score, target.value[:, 0].to(score.dtype), reduction="none")

    @override
    def right(self, prediction: Tensor, target: Target) -> Tensor:
        return (prediction > 0.5)[:, 0] == (target.value > 0.5)[:, 0]

    @override
    def error(self, prediction: Tensor, target: Target) -> Tensor:
        return (~self.right(prediction, target)).float()
