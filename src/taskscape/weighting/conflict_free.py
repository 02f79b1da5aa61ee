"""ConFIG: the direction that has the same angle with every gradient."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from torch import Tensor
from typing_extensions import override

from taskscape.weighting.aggregation import AggregatorWeighting
from taskscape.weighting.gradients import GradientConfig
from taskscape.weighting.per_task import check_preference, preference_vector

if TYPE_CHECKING:
    from torchjd.aggregation import Aggregator


@dataclass(frozen=True)
class ConFIGConfig(GradientConfig):
    """Conflict-free inverse gradients (Liu, Chu and Thuerey, ICLR 2025, equation 2).

    d = (Σ <g_k, u>) · u with u = U(M⁺ · 1), where the rows of M are the gradients at length one, M⁺ is its
    pseudo-inverse and U brings a vector to length one. The direction does not change with the scale of any loss.
    Reports no weights.
    """

    name: ClassVar[str] = "conflict-free"
    link: ClassVar[str] = "https://arxiv.org/abs/2408.11104"

    preference: Mapping[str, float] = field(default_factory=dict)
    """Relative cosine per task, 1 for those not named."""

    @override
    def check(self, tasks: Sequence[str]) -> None:
        super().check(tasks)
        check_preference(self.preference, tasks)


class ConFIG(AggregatorWeighting, config=ConFIGConfig):
    """ConFIG by torchjd."""

    config: ConFIGConfig

    @override
    def aggregator(self, tasks: Sequence[str], like: Tensor) -> "Aggregator":
        from torchjd.aggregation import ConFIG

        return ConFIG(preference_vector(self.config.preference, tasks, like))
