"""ConFIG: the direction that has the same angle with every gradient."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from torch import Tensor

from taskscape.weighting.aggregation import AggregatorConfig
from taskscape.weighting.per_task import check_preference, preference

if TYPE_CHECKING:
    from torchjd.aggregation import Aggregator


@dataclass(frozen=True)
class ConFIGConfig(AggregatorConfig):
    """Conflict-free inverse gradients (Liu, Chu and Thuerey, ICLR 2025, equation 2).

    Its length is the sum of the gradients' projections on it; its direction does not change with the scale of any
    loss. Reports no weights.
    """

    name: ClassVar[str] = "config"

    preference: Mapping[str, float] = field(default_factory=dict)
    """Relative cosine per task, 1 for those not named."""

    def aggregator(self, tasks: Sequence[str], like: Tensor) -> "Aggregator":
        """Return torchjd's ConFIG."""
        from torchjd.aggregation import ConFIG

        return ConFIG(preference(self.preference, tasks, like))

    def check(self, tasks: Sequence[str]) -> None:
        """Raise ``ValueError`` for preferences that do not fit the tasks."""
        check_preference(self.preference, tasks)
