"""Merge the scores of classes, to evaluate a network on labels of another class set."""

from dataclasses import dataclass

import torch
from torch import Tensor

from taskscape.losses.base import at_least_float32

IMPOSSIBLE_SCORE = -1e4
"""The score of a class to which no class maps: finite, with a probability of 0."""


@dataclass(frozen=True)
class MergedClasses:
    """Sums the probabilities of the classes that map to the same new class.

    Classes that map to no new class are left out, so the prediction is the most probable of the others.
    """

    groups: tuple[tuple[int, ...], ...]
    """For each new class, the channels that map to it."""

    def __call__(self, raw: Tensor) -> Tensor:
        """Return scores (B, len(groups), H, W) float32 for scores (B, C, H, W): the log-sum-exp of each group.

        A softmax over the result gives the summed probabilities, normalized over all classes that are not left out.
        """
        scores = at_least_float32(raw)
        impossible = scores.new_full((len(scores), *scores.shape[2:]), IMPOSSIBLE_SCORE)
        merged = [scores[:, list(ids)].logsumexp(1) if ids else impossible for ids in self.groups]
        return torch.stack(merged, 1)
