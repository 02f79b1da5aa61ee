"""Dynamic Weight Average: a task whose loss falls slowly weighs more."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from taskscape.weighting.base import Losses, Weighting, WeightingConfig
from taskscape.weighting.weighted_sum import WeightedSum


@dataclass(frozen=True)
class DWAConfig(WeightingConfig):
    """Dynamic Weight Average (Liu, Johns and Davison, CVPR 2019, equation 7).

    w_k = K · softmax(r / T)_k with r_k = L_k(t-1) / L_k(t-2), where L_k(t) is the mean loss of epoch t and K the number
    of tasks. r_k is 1 until task k has two epochs, so that the first two are a plain sum. An epoch in which a task has
    no label leaves its r_k as it was.
    """

    name: ClassVar[str] = "dwa"

    temperature: float = 2.0
    """T: the larger, the more equal the weights."""

    def build(self, tasks: Sequence[str], seed: int = 0) -> Weighting:
        """Build it. Raises ``ValueError`` for a temperature that is not positive."""
        if not self.temperature > 0:
            raise ValueError(f"weighting.temperature is {self.temperature}; it must be positive, such as 2")
        return DWA(tasks, self.temperature)


class DWA(WeightedSum):
    """Written here because torchjd's DWA keeps its history outside its state dict."""

    last: Tensor
    before_last: Tensor

    def __init__(self, tasks: Sequence[str], temperature: float) -> None:
        super().__init__(tasks)
        self.temperature = temperature
        self.register_buffer("last", torch.full((len(tasks),), float("nan")))
        self.register_buffer("before_last", torch.full((len(tasks),), float("nan")))

    def weights(self, losses: Losses) -> Tensor:
        rates = self.last / self.before_last
        rates = torch.where(rates.isfinite(), rates, 1.0)  # no history yet, or a loss that was zero
        return self.of(losses, len(self.tasks) * torch.softmax(rates / self.temperature, 0))

    def epoch_end(self, mean_losses: Mapping[str, float]) -> None:
        for task, mean in mean_losses.items():
            k = self.tasks.index(task)
            self.before_last[k] = self.last[k]
            self.last[k] = mean
