"""MGDA: the shortest vector in the convex hull of the gradients."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from torch import Tensor
from typing_extensions import override

from taskscape.weighting.aggregation import AggregatorWeighting
from taskscape.weighting.gradients import GradientConfig

if TYPE_CHECKING:
    from torchjd.aggregation import Aggregator


@dataclass(frozen=True)
class MGDAConfig(GradientConfig):
    """Multiple-gradient descent (Désidéri, 2012; Sener and Koltun, NeurIPS 2018, algorithm 2).

    min ‖Σ w_k · g_k‖ over weights that are not negative and sum to one, by Frank-Wolfe. A task whose gradient is zero
    takes all the weight, and the shared layers stand still.
    """

    name: ClassVar[str] = "mgda"
    link: ClassVar[str] = "https://arxiv.org/abs/1810.04650"

    epsilon: float = 1e-3
    """Stop when a Frank-Wolfe step is shorter than this."""
    max_iterations: int = 100
    """Most Frank-Wolfe steps."""

    @override
    def check(self, tasks: Sequence[str]) -> None:
        super().check(tasks)
        if not self.epsilon > 0 or self.max_iterations < 1:
            raise ValueError(
                f"weighting.epsilon is {self.epsilon} and weighting.max_iterations {self.max_iterations}; "
                "both must be positive"
            )


class MGDA(AggregatorWeighting, config=MGDAConfig):
    """MGDA by torchjd.

    The shortest vector between (1, 0) and (0, 2)::

        >>> import torch
        >>> from taskscape.weighting import BalancingContext, MGDA
        >>> x = torch.nn.Parameter(torch.zeros(2))
        >>> losses = {"a": 2 + x @ torch.tensor([1.0, 0.0]), "b": 2 + x @ torch.tensor([0.0, 2.0])}
        >>> _ = MGDA(["a", "b"]).backward(losses, BalancingContext.of(losses, shared=[x], tasks=[]))
        >>> x.grad
        tensor([0.8000, 0.4000])
    """

    config: MGDAConfig

    @override
    def aggregator(self, tasks: Sequence[str], like: Tensor) -> "Aggregator":
        from torchjd.aggregation import MGDA

        return MGDA(self.config.epsilon, self.config.max_iterations)
