"""IMTL-L: learnt scales that bring all losses to the same size."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from taskscape.distributed import world
from taskscape.weighting.base import Losses, Shared, Weighting, WeightingConfig, stack


@dataclass(frozen=True)
class IMTLLConfig(WeightingConfig):
    """Impartial multi-task learning, loss balance (Liu et al., ICLR 2021, section 3.2): Σ exp(s_k)·L_k - s_k.

    At its optimum exp(s_k)·L_k is 1 for every task, whatever the scale of its loss. The weights exp(s_k) start at 1.
    """

    name: ClassVar[str] = "imtl-l"

    def build(self, tasks: Sequence[str], seed: int = 0) -> Weighting:
        """Build it."""
        return IMTLL(tasks)


class IMTLL(Weighting):
    """Written here because torchjd's IMTLL refuses a step without one of the tasks."""

    one_backward = True

    def __init__(self, tasks: Sequence[str]) -> None:
        super().__init__(tasks)
        self.log_scale = nn.Parameter(torch.zeros(len(tasks)))

    def backward(self, losses: Losses, shared: Shared) -> dict[str, Tensor]:
        s = self.of(losses, self.log_scale)
        weights = torch.exp(s)
        (weights * stack(losses) - s / world()).sum().backward()  # a share of each loss, and of each s
        return dict(zip(losses, weights.detach(), strict=True))
