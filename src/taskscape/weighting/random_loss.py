"""Random loss weighting: the baseline that every method must beat."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from taskscape.weighting.base import Losses, Weighting, WeightingConfig
from taskscape.weighting.draws import Draws
from taskscape.weighting.weighted_sum import WeightedSum


@dataclass(frozen=True)
class RandomLossConfig(WeightingConfig):
    """Random loss weighting (Lin et al., TMLR 2022, algorithm 1): every step new weights, softmax of normal numbers.

    The weights of the tasks that are present sum to 1, so the gradient is smaller than the plain sum's.
    """

    name: ClassVar[str] = "random"

    def build(self, tasks: Sequence[str], seed: int = 0) -> Weighting:
        """Build it."""
        return RandomLoss(tasks, seed)


class RandomLoss(WeightedSum):
    """Written here because torchjd's Random draws from torch's global generator, which differs between processes."""

    def __init__(self, tasks: Sequence[str], seed: int) -> None:
        super().__init__(tasks)
        self.draws = Draws(seed)

    def weights(self, losses: Losses) -> Tensor:
        with self.draws.next(torch.device("cpu")):
            drawn = torch.randn(len(self.tasks), dtype=torch.float64)
        return torch.softmax(self.of(losses, drawn), 0)
