"""Aligned-MTL: the gradients with their principal components made equally long."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Literal, get_args

from torch import Tensor

from taskscape.weighting.aggregation import AggregatorConfig
from taskscape.weighting.per_task import check_preference, preference

if TYPE_CHECKING:
    from torchjd.aggregation import Aggregator

Scale = Literal["min", "median", "rmse"]


@dataclass(frozen=True)
class AlignedMTLConfig(AggregatorConfig):
    """Independent component alignment (Senushkin et al., CVPR 2023, algorithm 1).

    The singular values of the matrix of gradients are all replaced by one of them, and its rows are averaged.
    """

    name: ClassVar[str] = "aligned-mtl"

    scale: Scale = "min"
    """Which: the smallest, as in the paper, the median, or the root of the mean square."""
    preference: Mapping[str, float] = field(default_factory=dict)
    """Relative weight per task in the average, 1 for those not named."""

    def aggregator(self, tasks: Sequence[str], like: Tensor) -> "Aggregator":
        """Return torchjd's AlignedMTL."""
        from torchjd.aggregation import AlignedMTL

        return AlignedMTL(preference(self.preference, tasks, like), scale_mode=self.scale)

    def check(self, tasks: Sequence[str]) -> None:
        """Raise ``ValueError`` for an unknown scale or preferences that do not fit the tasks."""
        if self.scale not in get_args(Scale):
            raise ValueError(f"weighting.scale is {self.scale!r}; choose one of {', '.join(get_args(Scale))}")
        check_preference(self.preference, tasks)
