"""CAGrad: near the mean gradient, the direction that is best for the task it serves least."""

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
class CAGradConfig(GradientConfig):
    """Conflict-averse gradient descent (Liu et al., NeurIPS 2021, algorithm 1).

    max over d of min_k <g_k, d> with ‖d - g‖ ≤ c · ‖g‖, where g is the mean of the gradients. Solved by cvxpy with
    Clarabel (both Apache 2.0): ``pip install "taskscape[cagrad]"``.
    """

    name: ClassVar[str] = "cagrad"
    link: ClassVar[str] = "https://arxiv.org/abs/2110.14048"

    c: float = 0.4
    """Radius around the mean gradient, relative to its length."""

    @override
    def check(self, tasks: Sequence[str]) -> None:
        super().check(tasks)
        if not self.c >= 0:
            raise ValueError(f"weighting.c is {self.c}; it must not be negative: 0.4 is usual")


class CAGrad(AggregatorWeighting, config=CAGradConfig):
    """CAGrad by torchjd."""

    config: CAGradConfig
    extra = "cagrad"
    scale_free = True

    @override
    def aggregator(self, tasks: Sequence[str], like: Tensor) -> "Aggregator":
        from torchjd.aggregation import CAGrad

        return CAGrad(self.config.c)
