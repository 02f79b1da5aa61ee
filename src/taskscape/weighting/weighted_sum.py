"""Building block of the methods that end in one weighted sum of the losses."""

from abc import abstractmethod

from torch import Tensor

from taskscape.weighting.base import Losses, Shared, Weighting, stack


class WeightedSum(Weighting):
    """Σ w_k · L_k with weights that are constants within a step: one backward pass.

    A function f of the losses fits too: its gradient is Σ w_k · ∇L_k with w_k = ∂f/∂L_k at the joint losses, and so
    each process's weighted sum has this process's share of it.
    """

    one_backward = True

    @abstractmethod
    def weights(self, losses: Losses) -> Tensor:
        """Return the weight of each task in ``losses``, in their order; the same on every process."""

    def backward(self, losses: Losses, shared: Shared) -> dict[str, Tensor]:
        """Run the backward pass of the weighted sum."""
        local = stack(losses)
        weights = self.weights(losses).to(local).detach()
        (weights * local).sum().backward()
        return dict(zip(losses, weights, strict=True))
