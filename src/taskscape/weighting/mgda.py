"""MGDA: the shortest vector in the convex hull of the gradients."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from torch import Tensor

from taskscape.weighting.aggregation import AggregatorConfig

if TYPE_CHECKING:
    from torchjd.aggregation import Aggregator


@dataclass(frozen=True)
class MGDAConfig(AggregatorConfig):
    """Multiple-gradient descent (Désidéri, 2012; Sener and Koltun, NeurIPS 2018, algorithm 2).

    min ‖Σ w_k · g_k‖ over weights that are not negative and sum to one, by Frank-Wolfe. A task whose gradient is zero
    takes all the weight, and the shared part stands still.
    """

    name: ClassVar[str] = "mgda"

    epsilon: float = 1e-3
    """Stop when a Frank-Wolfe step is shorter than this."""
    max_iterations: int = 100
    """Most Frank-Wolfe steps."""

    def aggregator(self, tasks: Sequence[str], like: Tensor) -> "Aggregator":
        """Return torchjd's MGDA."""
        from torchjd.aggregation import MGDA

        return MGDA(self.epsilon, self.max_iterations)

    def check(self, tasks: Sequence[str]) -> None:
        """Raise ``ValueError`` for settings that are not positive."""
        if not self.epsilon > 0 or self.max_iterations < 1:
            raise ValueError(
                f"weighting.epsilon is {self.epsilon} and weighting.max_iterations {self.max_iterations}; "
                "both must be positive"
            )
