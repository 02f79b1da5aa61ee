"""Building block of the methods that end in one weighted sum of the losses."""

from abc import abstractmethod

from torch import Tensor
from typing_extensions import override

from taskscape.serialization import named
from taskscape.weighting.base import BalancingContext, Losses, Weighting, stack


class WeightedSum(Weighting):
    """Σ w_k · L_k with weights that are constants within a step: one backward pass.

    A function f of the losses fits too: its gradient is Σ w_k · ∇L_k with w_k = ∂f/∂L_k at the global losses, and so
    each process's weighted sum has this process's part of it.
    """

    one_backward = True

    @abstractmethod
    def weights(self, losses: Losses) -> Tensor:
        """Return the weight of each task, in the order of ``losses``: those of the global batch, without gradients.

        A negative weight is taken as it is: its loss rises, as that of an adversary must.
        """

    @override
    def backward(self, losses: Losses, context: BalancingContext) -> dict[str, Tensor]:
        local = stack(losses)
        weights = self.weights(context.global_losses)
        if not isinstance(weights, Tensor) or weights.shape != local.shape:
            found = tuple(weights.shape) if isinstance(weights, Tensor) else f"a {type(weights).__name__}"
            raise ValueError(
                f"{named(type(self).weights)} gives {found}: return a tensor of {len(losses)} weights, one a task"
            )
        weights = weights.to(local).detach()
        (weights * local).sum().backward()
        return dict(zip(losses, weights, strict=True))
