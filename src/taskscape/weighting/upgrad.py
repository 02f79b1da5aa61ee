"""UPGrad: every gradient projected onto the directions that harm no task, then averaged."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from torch import Tensor

from taskscape.weighting.aggregation import AggregatorConfig
from taskscape.weighting.per_task import check_preference, preference

if TYPE_CHECKING:
    from torchjd.aggregation import Aggregator


@dataclass(frozen=True)
class UPGradConfig(AggregatorConfig):
    """Unconflicting projection of gradients (Quinton and Rey, 2024, equation 4).

    Solved by quadprog (GPL 2 or later) through qpsolvers (LGPL 3): ``pip install "taskscape[upgrad]"``.
    """

    name: ClassVar[str] = "upgrad"
    solver: ClassVar[str | None] = "upgrad"
    scale_free: ClassVar[bool] = True

    preference: Mapping[str, float] = field(default_factory=dict)
    """Relative weight per task in the average, 1 for those not named."""

    def aggregator(self, tasks: Sequence[str], like: Tensor) -> "Aggregator":
        """Return torchjd's UPGrad."""
        from torchjd.aggregation import UPGrad

        return UPGrad(preference(self.preference, tasks, like))

    def check(self, tasks: Sequence[str]) -> None:
        """Raise ``ValueError`` for preferences that do not fit the tasks."""
        check_preference(self.preference, tasks)
