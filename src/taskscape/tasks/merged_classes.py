"""Scores of many classes become scores of fewer, so that a network is measured by labels of another class set."""

from dataclasses import dataclass

import torch
from torch import Tensor

from taskscape.losses.base import at_least_float32

NEVER = -1e4
"""The score of a class that none becomes: finite, and its probability is 0."""


@dataclass(frozen=True)
class MergedClasses:
    """Adds up the probabilities of the classes that become one.

    Classes that become none are left out: the prediction is the most probable of the rest.
    """

    groups: tuple[tuple[int, ...], ...]
    """For each new class the channels that become it."""

    def __call__(self, raw: Tensor) -> Tensor:
        """Return scores (B, len(groups), H, W) float32 for scores (B, C, H, W): the logarithm of a sum of exponentials.

        A softmax over the result gives the sums of the probabilities, divided by those of all that are not left out.
        """
        scores = at_least_float32(raw)
        never = scores.new_full((len(scores), *scores.shape[2:]), NEVER)
        merged = [scores[:, list(ids)].logsumexp(1) if ids else never for ids in self.groups]
        return torch.stack(merged, 1)
