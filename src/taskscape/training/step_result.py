"""What a training step gives."""

from typing import NamedTuple

from torch import Tensor


class StepResult(NamedTuple):
    """Scalars on the device, without gradients, the same on every process."""

    losses: dict[str, Tensor]
    """The loss of the global batch for each task with a label in it; empty where there is no label at all."""
    weights: dict[str, Tensor]
    """The weight of each of these tasks; empty where the weighting has none."""
    gradient_norm: Tensor
    """The norm of the gradient, before it is clipped. If it is not finite the step was not taken."""
