"""FAMO: weights that make all losses decrease at the same rate, computed from the losses only."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from typing_extensions import override

from taskscape.serialization.ranges import NonNegative, Positive
from taskscape.weighting.base import Losses, WeightingConfig, stack
from taskscape.weighting.own_adam import OwnAdam
from taskscape.weighting.reminder import Reminder
from taskscape.weighting.weighted_sum import WeightedSum

_TINY = 1e-8
"""Added to a loss before taking its logarithm, as in the authors' code."""


@dataclass(frozen=True)
class FAMOConfig(WeightingConfig):
    """Fast adaptive multitask optimization (Liu et al., NeurIPS 2023, algorithm 1).

    A step minimizes c · Σ z_k · log L_k with z = softmax(logits) over the tasks that are present and
    c = 1 / Σ (z_k / L_k), so the weights c · z_k / L_k sum to one. After the step, the losses of the same batch are
    computed again, which costs a second forward pass, and a separate Adam updates the logits by the decrease of each
    log L_k. The direction does not depend on the scale of any loss.

    If a task is absent from a step, the z_k and the sum are those of the others. Its own logit gets a zero gradient;
    Adam's momentum and ``weight_decay`` still move it.
    """

    name: ClassVar[str] = "famo"
    link: ClassVar[str] = "https://arxiv.org/abs/2306.03792"

    lr: Positive = 0.025
    """Learning rate of the logits, without a schedule."""
    weight_decay: NonNegative = 1e-3
    """Weight decay of the logits, which pulls the z_k to equality; the paper's gamma."""


class FAMO(WeightedSum, config=FAMOConfig):
    """FAMO. Does not use torchjd's version, which keeps its optimizer's state outside its state dict."""

    config: FAMOConfig
    capturable = True

    def __init__(
        self, tasks: Sequence[str], config: FAMOConfig | None = None, *, seed: int = 0, **options: Any
    ) -> None:
        super().__init__(tasks, config, **options)
        # The logits' gradient is known only after the run's optimizer has stepped, so they have a separate optimizer.
        self.logits = nn.Parameter(torch.zeros(len(tasks)), requires_grad=False)
        self.optimizer = OwnAdam([self.logits], self.config.lr, weight_decay=self.config.weight_decay)
        self.losses_before: Tensor | None = None
        self.present: tuple[str, ...] = ()
        """The names of the tasks in ``losses_before``, in its order."""
        self._reminder = Reminder(self.config.name)

    @override
    def weights(self, losses: Losses) -> Tensor:
        """Return c · z_k / L_k."""
        self.check_nonnegative(losses)
        self._reminder.backward()
        self.losses_before, self.present = stack(losses) + _TINY, tuple(losses)
        ratios = torch.softmax(self.select(losses, self.logits), 0) / self.losses_before
        return ratios / ratios.sum()

    @override
    def after_step(self, losses_again: Callable[[], Mapping[str, Tensor]]) -> None:
        """Update the logits by the decrease of each loss."""
        self._reminder.after_step()
        assert self.losses_before is not None, "backward comes before after_step"
        losses_after = losses_again()
        if losses_after.keys() != set(self.present):
            raise ValueError(
                f"after_step gets losses of {', '.join(losses_after)}, and backward had those of "
                f"{', '.join(self.present)}: compute the losses of the same batch again"
            )
        losses_after = {task: losses_after[task].detach() for task in self.present}
        decrease = self.losses_before.log() - (stack(losses_after) + _TINY).log()
        z = torch.softmax(self.select(losses_after, self.logits), 0)
        gradient = z * (decrease - (z * decrease).sum())  # of Σ z_k · decrease_k with respect to the logits
        self.logits.grad = torch.zeros_like(self.logits)
        for task, value in zip(losses_after, gradient, strict=True):
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
