"""Building block of the methods that are an aggregator of torchjd."""

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import torch
from torch import Tensor

from taskscape.weighting.base import Weighting, WeightingConfig
from taskscape.weighting.draws import Draws
from taskscape.weighting.gradients import GramianGradients, MatrixGradients, Mode

if TYPE_CHECKING:  # importing torchjd takes a second or two, so only the methods that use it do
    from torchjd.aggregation import Aggregator


@dataclass(frozen=True)
class AggregatorConfig(WeightingConfig):
    """The settings of a method that combines gradients by an aggregator of torchjd.

    For an aggregator that is not in the list, inherit from this and return it::

        @dataclass(frozen=True)
        class Krum(AggregatorConfig):
            name: ClassVar[str] = "krum"
            byzantine: int = 1

            def aggregator(self, tasks, like):
                return torchjd.aggregation.Krum(self.byzantine)
    """

    solver: ClassVar[str | None] = None
    """The extra of taskscape that installs the solver, where the method needs one."""
    scale_free: ClassVar[bool] = False
    """True where the weights do not change with the gradients' common scale, but the aggregator takes small gradients
    for zero: they are brought to size one before. Gradients at features are small."""

    mode: Mode = "parameters"
    """Gradients with respect to all shared parameters, or to the features at the cut between the shared and the tasks'
    own part, where a network has one: that runs through the encoder once."""

    @abstractmethod
    def aggregator(self, tasks: Sequence[str], like: Tensor) -> "Aggregator":
        """Return the aggregator for these tasks, called every step with those present.

        ``like`` is a tensor of the gradients' type and device.
        """

    def check(self, tasks: Sequence[str]) -> None:
        """Raise ``ValueError`` where the settings do not fit these tasks."""

    def build(self, tasks: Sequence[str], seed: int = 0) -> Weighting:
        """Build it.

        Raises ``ValueError`` where settings do not fit, a solver is missing, or the aggregator remembers what a
        checkpoint would not hold.
        """
        self.check(tasks)
        with needs(self.name, self.solver):
            import torchjd
            from torchjd.aggregation import GramianWeightedAggregator

            aggregator = self.aggregator(tasks, torch.zeros(()))
        if isinstance(aggregator, torchjd.Stateful):
            raise ValueError(
                f"weighting {self.name}: {aggregator} keeps a memory that torchjd does not put into its state dict, so "
                "a resumed run would be another run; write a Weighting that keeps it in buffers"
            )
        by_gramian = isinstance(aggregator, GramianWeightedAggregator)
        return (_ByGramian if by_gramian else _ByMatrix)(tasks, self, seed)


@contextmanager
def needs(name: str, extra: str | None) -> Iterator[None]:
    """Turn torchjd's complaint about a missing solver into one that names the extra of taskscape."""
    try:
        yield
    except ImportError as error:
        remedy = f'pip install "taskscape[{extra}]"' if extra else 'pip install "torchjd>=0.18"'
        raise ValueError(f"weighting {name} needs a package that is not installed ({error}); {remedy}") from error


class _ByGramian(GramianGradients):
    def __init__(self, tasks: Sequence[str], options: AggregatorConfig, seed: int) -> None:
        super().__init__(tasks, options.mode)
        self.options, self.draws = options, Draws(seed)

    def weights(self, gramian: Tensor, tasks: Sequence[str]) -> Tensor:
        from torchjd.aggregation import GramianWeightedAggregator

        aggregator = self.options.aggregator(tasks, gramian)
        assert isinstance(aggregator, GramianWeightedAggregator)
        if self.options.scale_free:
            gramian = gramian / gramian.trace().clamp_min(torch.finfo(gramian.dtype).tiny)
        with self.draws.next(gramian.device):
            return aggregator.gramian_weighting(gramian)


class _ByMatrix(MatrixGradients):
    def __init__(self, tasks: Sequence[str], options: AggregatorConfig, seed: int) -> None:
        super().__init__(tasks, options.mode)
        self.options, self.draws = options, Draws(seed)

    def combined(self, rows: Tensor, tasks: Sequence[str]) -> Tensor:
        aggregator = self.options.aggregator(tasks, rows)
        with self.draws.next(rows.device):
            return aggregator(rows)
