"""FAMO: all losses fall at the same rate, judged by the losses alone."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from typing_extensions import override

from taskscape.serialization.ranges import NonNegative, Positive
from taskscape.weighting.base import Losses, WeightingConfig, stack
from taskscape.weighting.own_adam import OwnAdam
from taskscape.weighting.weighted_sum import WeightedSum

_TINY = 1e-8
"""Added to a loss before its logarithm, as in the authors' code."""


@dataclass(frozen=True)
class FAMOConfig(WeightingConfig):
    """Fast adaptive multitask optimization (Liu et al., NeurIPS 2023, algorithm 1).

    The step follows c · Σ z_k · log L_k with z = softmax(logits) over the tasks that are present and
    c = 1 / Σ (z_k / L_k), so that the weights c · z_k / L_k sum to one. After it the same batch's losses are computed
    again, and the logits take an Adam step of their own against how much each log L_k fell. It costs a second forward
    pass. The direction does not change with the scale of any loss.

    Where a task is absent from a step, the z_k and the sum are those of the others. Its own logit gets a gradient of
    zero: Adam's momentum and ``weight_decay`` still move it.
    """

    name: ClassVar[str] = "famo"
    link: ClassVar[str] = "https://arxiv.org/abs/2306.03792"

    lr: Positive = 0.025
    """Learning rate of the logits, which no schedule changes."""
    weight_decay: NonNegative = 1e-3
    """Pulls the logits to zero, that is the z_k to equality; the paper's gamma."""


class FAMO(WeightedSum, config=FAMOConfig):
    """FAMO. Not torchjd's, which keeps its optimizer's state outside its state dict."""

    config: FAMOConfig
    capturable = True

    def __init__(
        self, tasks: Sequence[str], config: FAMOConfig | None = None, *, seed: int = 0, **options: Any
    ) -> None:
        super().__init__(tasks, config, **options)
        # Their gradient is known only after the run's optimizer has stepped, so they have an optimizer of their own.
        self.logits = nn.Parameter(torch.zeros(len(tasks)), requires_grad=False)
        self.optimizer = OwnAdam([self.logits], self.config.lr, weight_decay=self.config.weight_decay)
        self.before: Tensor | None = None

    @override
    def weights(self, losses: Losses) -> Tensor:
        """Return c · z_k / L_k."""
        self.before = stack(losses) + _TINY
        ratios = torch.softmax(self.select(losses, self.logits), 0) / self.before
        return ratios / ratios.sum()

    @override
    def after_step(self, losses_again: Callable[[], Mapping[str, Tensor]]) -> None:
        """Step the logits against how much each loss fell."""
        assert self.before is not None, "backward comes before after_step"
        again = losses_again()
        fall = self.before.log() - (stack(again) + _TINY).log()
        z = torch.softmax(self.select(again, self.logits), 0)
        gradient = z * (fall - (z * fall).sum())  # of Σ z_k · fall_k with respect to the logits
        self.logits.grad = torch.zeros_like(self.logits)
        for task, value in zip(again, gradient, strict=True):
            self.logits.grad[self.tasks.index(task)] = value
        self.optimizer.step()
        self.logits.grad = None

    @override
    def get_extra_state(self) -> dict[str, Any]:
        """Return the state of Adam."""
        return self.optimizer.state_dict()

    @override
    def set_extra_state(self, state: dict[str, Any]) -> None:
        self.optimizer.load_state_dict(state)
