"""Base class of the methods that use an aggregator of torchjd."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from typing_extensions import override

from taskscape.weighting.gradients import GradientConfig, GradientWeighting
from taskscape.weighting.step_generator import StepGenerator
from taskscape.weighting.task_gradients import Combined, TaskGradients

if TYPE_CHECKING:  # importing torchjd takes a second or two, so only the methods that use it do
    from torchjd.aggregation import Aggregator


class AggregatorWeighting(GradientWeighting):
    """A method that combines gradients with an aggregator of torchjd.

    It is as exact as torchjd, in the dtype of the gradients. The package uses it where that is sufficient and has its
    own solvers for the other methods. To add an aggregator that the package lacks, write::

        @dataclass(frozen=True)
        class KrumConfig(GradientConfig):
            name: ClassVar[str] = "krum"
            byzantine: int = 1

        class Krum(AggregatorWeighting, config=KrumConfig):
            def aggregator(self, tasks, like):
                return torchjd.aggregation.Krum(self.config.byzantine)
    """

    def __init__(
        self, tasks: Sequence[str], config: GradientConfig | None = None, *, seed: int = 0, **options: Any
    ) -> None:
        """Create the method from the tasks' names, and settings or their fields.

        Raises ``ValueError`` if settings do not fit, if a solver is missing, or if the aggregator has state that a
        checkpoint would not contain.
        """
        super().__init__(tasks, config, **options)
        self.generator = StepGenerator(seed)
        try:
            import torchjd
            from torchjd.aggregation import GramianWeightedAggregator

            aggregator = self.aggregator(self.tasks, torch.zeros(()))
        except ImportError as error:
            raise ValueError(
                f"weighting {self.config.name} needs a package that is not installed ({error}); "
                'pip install "torchjd>=0.18", with the extra that the error names, if any'
            ) from error
        if isinstance(aggregator, torchjd.Stateful):
            raise ValueError(
                f"weighting {self.config.name}: {aggregator} has state that torchjd does not put into its state "
                "dict, so a resumed run would differ; write a Weighting that keeps it in buffers"
            )
        self.by_gramian = isinstance(aggregator, GramianWeightedAggregator)

    @abstractmethod
    def aggregator(self, tasks: Sequence[str], like: Tensor) -> "Aggregator":
        """Return the aggregator for the tasks that are present in a step; called every step.

        ``like`` is a tensor with the gradients' dtype and device.
        """

    @override
    def combine(self, gradients: TaskGradients, tasks: Sequence[str]) -> Combined:
        """Apply the aggregator, to the inner products only if it needs nothing else."""
        if self.by_gramian:
            # In the gradients' own dtype, for which the aggregators' thresholds are chosen.
            return gradients.weighted_sum(lambda gramian: self._weights(gramian, tasks), gradients.rows.dtype)
        return gradients.aggregate(lambda matrix: self._aggregate(matrix, tasks))

    def _weights(self, gramian: Tensor, tasks: Sequence[str]) -> Tensor:
        from torchjd.aggregation import GramianWeightedAggregator

        aggregator = self.aggregator(tasks, gramian)
        assert isinstance(aggregator, GramianWeightedAggregator)
        # Aggregators divide by the squared length, so a gradient whose square has lost precision counts as zero.
        info = torch.finfo(gramian.dtype)
        mask = (gramian.diagonal() >= info.tiny / info.eps).to(gramian)
        gramian = gramian * torch.outer(mask, mask)
        with self.generator.fork(gramian.device):
            return aggregator.gramian_weighting(gramian)

    def _aggregate(self, matrix: Tensor, tasks: Sequence[str]) -> Tensor:
        aggregator = self.aggregator(tasks, matrix)
        with self.generator.fork(matrix.device):
            return aggregator(matrix)
