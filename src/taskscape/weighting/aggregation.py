"""Building block of the methods that are an aggregator of torchjd."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor
from typing_extensions import override

from taskscape.weighting.gradients import Combined, GradientConfig, GradientWeighting, TaskGradients
from taskscape.weighting.step_generator import StepGenerator

if TYPE_CHECKING:  # importing torchjd takes a second or two, so only the methods that use it do
    from torchjd.aggregation import Aggregator


class AggregatorWeighting(GradientWeighting):
    """A method that combines gradients by an aggregator of torchjd.

    For one that the package does not have, write::

        @dataclass(frozen=True)
        class KrumConfig(GradientConfig):
            name: ClassVar[str] = "krum"
            byzantine: int = 1

        class Krum(AggregatorWeighting, config=KrumConfig):
            def aggregator(self, tasks, like):
                return torchjd.aggregation.Krum(self.config.byzantine)
    """

    extra: ClassVar[str | None] = None
    """The extra of taskscape that installs the solver, where the method needs one."""
    scale_free: ClassVar[bool] = False
    """True where the weights do not change with the gradients' common scale, but the aggregator takes small gradients
    for zero: they are brought to size one before. Gradients at features are small."""

    def __init__(
        self, tasks: Sequence[str], config: GradientConfig | None = None, *, seed: int = 0, **options: Any
    ) -> None:
        """Take the tasks' names, and settings or their fields.

        Raises ``ValueError`` where settings do not fit, a solver is missing, or the aggregator remembers what a
        checkpoint would not hold.
        """
        super().__init__(tasks, config, **options)
        self.generator = StepGenerator(seed)
        try:
            import torchjd
            from torchjd.aggregation import GramianWeightedAggregator

            aggregator = self.aggregator(self.tasks, torch.zeros(()))
        except ImportError as error:
            package = f'"taskscape[{self.extra}]"' if self.extra else '"torchjd>=0.18"'
            raise ValueError(
                f"weighting {self.config.name} needs a package that is not installed ({error}); pip install {package}"
            ) from error
        if isinstance(aggregator, torchjd.Stateful):
            raise ValueError(
                f"weighting {self.config.name}: {aggregator} keeps a memory that torchjd does not put into its state "
                "dict, so a resumed run would be another run; write a Weighting that keeps it in buffers"
            )
        self.by_gramian = isinstance(aggregator, GramianWeightedAggregator)

    @abstractmethod
    def aggregator(self, tasks: Sequence[str], like: Tensor) -> "Aggregator":
        """Return the aggregator for these tasks, those present in a step; called every step.

        ``like`` is a tensor of the gradients' type and device.
        """

    @override
    def combine(self, gradients: TaskGradients, tasks: Sequence[str]) -> Combined:
        """Apply the aggregator, by the inner products alone where these are all it needs."""
        if self.by_gramian:
            return gradients.weighted_sum(lambda gramian: self._weights(gramian, tasks))
        return gradients.aggregate(lambda matrix: self._aggregated(matrix, tasks))

    def _weights(self, gramian: Tensor, tasks: Sequence[str]) -> Tensor:
        from torchjd.aggregation import GramianWeightedAggregator

        aggregator = self.aggregator(tasks, gramian)
        assert isinstance(aggregator, GramianWeightedAggregator)
        if self.scale_free:
            gramian = gramian / gramian.trace().clamp_min(torch.finfo(gramian.dtype).tiny)
        with self.generator.fork(gramian.device):
            return aggregator.gramian_weighting(gramian)

    def _aggregated(self, matrix: Tensor, tasks: Sequence[str]) -> Tensor:
        aggregator = self.aggregator(tasks, matrix)
        with self.generator.fork(matrix.device):
            return aggregator(matrix)
