"""Random weights for the gradients of the shared layers."""

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
class RandomGradientConfig(GradientConfig):
    """Random gradient weighting (Lin et al., TMLR 2022, algorithm 2): in every step, a softmax of normal numbers.

    Unlike in random loss weighting, the task-specific layers get their plain gradients. If a task is absent from a
    step, a number is drawn for each of the others, and their weights sum to one.
    """

    name: ClassVar[str] = "random-gradient"
    link: ClassVar[str] = "https://arxiv.org/abs/2111.10603"


class RandomGradient(AggregatorWeighting, config=RandomGradientConfig):
    """Random gradient weighting by torchjd."""

    @override
    def aggregator(self, tasks: Sequence[str], like: Tensor) -> "Aggregator":
        """Return torchjd's random weights, which depend only on the number of gradients."""
        from torchjd.aggregation import GramianWeightedAggregator, RandomWeighting

        return GramianWeightedAggregator(RandomWeighting())
