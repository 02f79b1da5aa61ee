"""Random loss weighting, the baseline that every method should beat."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor
from typing_extensions import override

from taskscape.weighting.base import Losses, WeightingConfig
from taskscape.weighting.step_generator import StepGenerator
from taskscape.weighting.weighted_sum import WeightedSum


@dataclass(frozen=True)
class RandomLossConfig(WeightingConfig):
    """Random loss weighting (Lin et al., TMLR 2022, algorithm 1): in every step, a softmax of new normal numbers.

    The weights of the tasks that are present sum to 1, so the gradient is smaller than that of the plain sum. A number
    is also drawn for a task that is absent from a step, so that the other tasks' draws do not depend on it.
    """

    name: ClassVar[str] = "random"
    link: ClassVar[str] = "https://arxiv.org/abs/2111.10603"


class RandomLoss(WeightedSum, config=RandomLossConfig):
    """Random weights. Does not use torchjd's Random, whose draws from torch's global generator differ by process."""

    def __init__(
        self, tasks: Sequence[str], config: RandomLossConfig | None = None, *, seed: int = 0, **options: Any
    ) -> None:
        super().__init__(tasks, config, **options)
        self.generator = StepGenerator(seed)

    @override
    def weights(self, losses: Losses) -> Tensor:
        with self.generator.fork(torch.device("cpu")):
            logits = torch.randn(len(self.tasks), dtype=torch.float64)
        return torch.softmax(self.select(losses, logits), 0)
