"""GradDrop: at every position, only the gradients of a randomly drawn sign."""

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

    At every position, the positive gradients are kept with probability ½ · (1 + Σ g_k / Σ |g_k|), otherwise the
    negative ones. The paper applies it to features. No weights are reported. A task that is absent from a step does not
    contribute to signs and sums; a task that is alone keeps its gradient.
    """

    name: ClassVar[str] = "graddrop"
    link: ClassVar[str] = "https://arxiv.org/abs/2010.06808"

    leak: Mapping[str, Fraction] = field(default_factory=dict)
    """Fraction of each task's gradient that always passes, 0 … 1; 0 for tasks not listed."""


class GradDrop(AggregatorWeighting, config=GradDropConfig):
    """GradDrop by torchjd."""

    config: GradDropConfig

    @override
    def aggregator(self, tasks: Sequence[str], like: Tensor) -> "Aggregator":
        from torchjd.aggregation import GradDrop

        return GradDrop(leak=like.new_tensor([self.config.leak.get(task, 0.0) for task in tasks]))
