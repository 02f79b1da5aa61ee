"""Base class of the methods that minimize a weighted sum of the losses."""

from abc import abstractmethod

from torch import Tensor
from typing_extensions import override

from taskscape.serialization import named
from taskscape.weighting.base import BalancingContext, Losses, Weighting, stack


class WeightedSum(Weighting):
    """Σ w_k · L_k with weights that are constant within a step, in one backward pass.

    This includes any function f of the losses: its gradient is Σ w_k · ∇L_k with w_k = ∂f/∂L_k at the global losses, so
    each process's weighted sum gives its part of that gradient.
    """

    one_backward = True

    @abstractmethod
    def weights(self, losses: Losses) -> Tensor:
        """Return the weight of each task, in the order of ``losses``, those of the global batch without gradients.

        A negative weight is allowed: it increases the task's loss, as adversarial training requires.
        """

    @override
    def backward(self, losses: Losses, context: BalancingContext) -> dict[str, Tensor]:
        self.check_names(losses)
        local_losses = stack(losses)
        weights = self.weights(context.in_order_of(losses))
        if not isinstance(weights, Tensor) or weights.shape != local_losses.shape:
            actual = tuple(weights.shape) if isinstance(weights, Tensor) else f"a {type(weights).__name__}"
            raise ValueError(
                f"{named(type(self).weights)} gives {actual}: return a tensor of {len(losses)} weights, one per task"
            )
        weights = weights.to(local_losses).detach()
        (weights * local_losses).sum().backward()
        return dict(zip(losses, weights, strict=True))
