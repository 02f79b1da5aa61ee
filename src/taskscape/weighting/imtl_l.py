"""IMTL-L: learned scales that give all losses the same size."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from typing_extensions import override

from taskscape.weighting.base import BalancingContext, Losses, Weighting, WeightingConfig, stack


@dataclass(frozen=True)
class IMTLLConfig(WeightingConfig):
    """Impartial multi-task learning, loss balance (Liu et al., ICLR 2021, section 3.2): Σ exp(s_k)·L_k - s_k.

    At its optimum, exp(s_k)·L_k is 1 for every task, regardless of the scale of its loss. The weights exp(s_k) start at
    1. A task that is absent from a step has no term in its sum, and its s_k gets a zero gradient, so only the momentum
    of the run's optimizer moves it.
    """

    name: ClassVar[str] = "imtl-l"
    link: ClassVar[str] = "https://openreview.net/forum?id=IMPnRXEWpvr"


class IMTLL(Weighting, config=IMTLLConfig):
    """IMTL-L, with the s_k as parameters. Does not use torchjd's IMTLL, which needs all tasks in every step."""

    one_backward = True
    capturable = True

    def __init__(
        self, tasks: Sequence[str], config: IMTLLConfig | None = None, *, seed: int = 0, **options: Any
    ) -> None:
        super().__init__(tasks, config, **options)
        self.log_scale = nn.Parameter(torch.zeros(len(tasks)))

    @override
    def backward(self, losses: Losses, context: BalancingContext) -> dict[str, Tensor]:
        """Run one backward pass through the network and to the s_k."""
        global_losses = context.in_order_of(losses)
        self.check_nonnegative(global_losses)  # below 0, s would rise without bound
        s = self.select(losses, self.log_scale)
        weights = torch.exp(s)
        network_terms = weights.detach() * stack(losses)
        s_terms = weights * stack(global_losses) - s
        (network_terms + s_terms).sum().backward()
        return dict(zip(losses, weights.detach(), strict=True))
