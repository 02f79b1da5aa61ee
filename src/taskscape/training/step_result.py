"""The result of a training step."""

from typing import NamedTuple

from torch import Tensor


class StepResult(NamedTuple):
    """Losses, weights and gradient norm of a step: scalars on the device, without gradients, equal on every process."""

    losses: dict[str, Tensor]
    """The loss of the global batch for each task with a label in it; empty if there are no labels."""
    weights: dict[str, Tensor]
    """The weight of each of these tasks; empty if the weighting has none."""
    gradient_norm: Tensor
    """The norm of the gradient before clipping. If it is not finite, the step was not taken."""

    def scalars(self) -> tuple[Tensor, ...]:
        """Return all losses, all weights, and the norm."""
        return (*self.losses.values(), *self.weights.values(), self.gradient_norm)
