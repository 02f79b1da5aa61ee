"""UPGrad: every gradient projected onto the directions that harm no task, then averaged."""

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
class UPGradConfig(GradientConfig):
    """Unconflicting projection of gradients (Quinton and Rey, 2024, equation 4).

    The mean of the g_k, each projected onto the cone of all d with <g_j, d> ≥ 0 for every j. Solved by quadprog (GPL 2
    or later) through qpsolvers (LGPL 3): ``pip install "taskscape[upgrad]"``.
    """

    name: ClassVar[str] = "upgrad"
    link: ClassVar[str] = "https://arxiv.org/abs/2406.16232"

    preference: Mapping[str, float] = field(default_factory=dict)
    """Relative weight per task in the mean, 1 for those not named."""

    @override
    def check(self, tasks: Sequence[str]) -> None:
        super().check(tasks)
        check_preference(self.preference, tasks)


class UPGrad(AggregatorWeighting, config=UPGradConfig):
    """UPGrad by torchjd."""

    config: UPGradConfig
    extra = "upgrad"
    scale_free = True

    @override
    def aggregator(self, tasks: Sequence[str], like: Tensor) -> "Aggregator":
        from torchjd.aggregation import UPGrad

        return UPGrad(preference_vector(self.config.preference, tasks, like))
