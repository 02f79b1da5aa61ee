"""PCGrad: of two gradients that conflict, each loses its part against the other."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from torch import Tensor

from taskscape.weighting.aggregation import AggregatorConfig

if TYPE_CHECKING:
    from torchjd.aggregation import Aggregator


@dataclass(frozen=True)
class PCGradConfig(AggregatorConfig):
    """Gradient surgery (Yu et al., NeurIPS 2020, algorithm 1).

    Each gradient is projected, in random order, onto the plane orthogonal to those of the others that it conflicts
    with; the sum is taken.
    """

    name: ClassVar[str] = "pcgrad"

    def aggregator(self, tasks: Sequence[str], like: Tensor) -> "Aggregator":
        """Return torchjd's PCGrad."""
        from torchjd.aggregation import PCGrad

        return PCGrad()
