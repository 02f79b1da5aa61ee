"""Aligned-MTL: the gradients with their principal components made equally long."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Literal, get_args

from torch import Tensor
from typing_extensions import override

from taskscape.weighting.aggregation import AggregatorWeighting
from taskscape.weighting.gradients import GradientConfig
from taskscape.weighting.per_task import check_preference, preference_vector

if TYPE_CHECKING:
    from torchjd.aggregation import Aggregator

Scale = Literal["min", "median", "rmse"]


@dataclass(frozen=True)
class AlignedMTLConfig(GradientConfig):
    """Independent component alignment (Senushkin et al., CVPR 2023, algorithm 1).

    The singular values of the matrix of gradients U · diag(s) · Vᵀ are all replaced by one of them, σ, and the rows of
    σ · U · Vᵀ are averaged.
    """

    name: ClassVar[str] = "aligned-mtl"
    link: ClassVar[str] = "https://arxiv.org/abs/2305.19000"

    scale: Scale = "min"
    """σ: the smallest singular value, as in the paper, the median, or the root of the mean square."""
    preference: Mapping[str, float] = field(default_factory=dict)
    """Relative weight per task in the average, 1 for those not named."""

    @override
    def check(self, tasks: Sequence[str]) -> None:
        super().check(tasks)
        if self.scale not in get_args(Scale):
            raise ValueError(f"weighting.scale is {self.scale!r}; choose one of {', '.join(get_args(Scale))}")
        check_preference(self.preference, tasks)


class AlignedMTL(AggregatorWeighting, config=AlignedMTLConfig):
    """Aligned-MTL by torchjd."""

    config: AlignedMTLConfig

    @override
    def aggregator(self, tasks: Sequence[str], like: Tensor) -> "Aggregator":
        from torchjd.aggregation import AlignedMTL

        preference = preference_vector(self.config.preference, tasks, like)
        return AlignedMTL(preference, scale_mode=self.config.scale)
