"""Random weights for the gradients of the shared part."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from torch import Tensor

from taskscape.weighting.aggregation import AggregatorConfig

if TYPE_CHECKING:
    from torchjd.aggregation import Aggregator


@dataclass(frozen=True)
class RandomGradientConfig(AggregatorConfig):
    """Random gradient weighting (Lin et al., TMLR 2022, algorithm 2): every step softmax of normal numbers.

    Unlike random loss weighting, the tasks' own parts get their plain gradients.
    """

    name: ClassVar[str] = "random-gradient"

    def aggregator(self, tasks: Sequence[str], like: Tensor) -> "Aggregator":
        """Return torchjd's random weights; they look at the number of gradients alone."""
        from torchjd.aggregation import GramianWeightedAggregator, RandomWeighting

        return GramianWeightedAggregator(RandomWeighting())
