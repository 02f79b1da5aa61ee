"""GradDrop: at every position the gradients of one sign, drawn at random."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from torch import Tensor
from typing_extensions import override

from taskscape.serialization.ranges import Fraction
from taskscape.weighting.aggregation import AggregatorWeighting
from taskscape.weighting.gradients import GradientConfig

if TYPE_CHECKING:
    from torchjd.aggregation import Aggregator


@dataclass(frozen=True)
class GradDropConfig(GradientConfig):
    """Gradient sign dropout (Chen et al., NeurIPS 2020, algorithm 1).

    At every position the positive gradients are kept with probability ½ · (1 + Σ g_k / Σ |g_k|), else the negative
    ones. The paper does it at features. Reports no weights. A task that is absent from a step has no part in signs and
    sums; one that is alone keeps its gradient.
    """

    name: ClassVar[str] = "graddrop"
    link: ClassVar[str] = "https://arxiv.org/abs/2010.06808"

    leak: Mapping[str, Fraction] = field(default_factory=dict)
    """Fraction of a task's gradient that passes in any case, 0 … 1; 0 for those not named."""


class GradDrop(AggregatorWeighting, config=GradDropConfig):
    """GradDrop by torchjd."""

    config: GradDropConfig

    @override
    def aggregator(self, tasks: Sequence[str], like: Tensor) -> "Aggregator":
        from torchjd.aggregation import GradDrop

        return GradDrop(leak=like.new_tensor([self.config.leak.get(task, 0.0) for task in tasks]))
