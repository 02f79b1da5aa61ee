"""What every metric of this package is."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

from torch import Tensor
from torchmetrics import Metric

from taskscape.metrics.spec import MetricSpec


class TaskMetric(Metric, ABC):
    """The metrics of one task, accumulated over batches and processes (``torchmetrics`` keeps the states).

    States are sums in int64 and float64, so batches of any size, none included, add up the same. A device without
    float64 (MPS) cannot hold them: there the metric and its inputs stay on the CPU.
    """

    full_state_update = False

    @property
    @abstractmethod
    def specs(self) -> Mapping[str, MetricSpec]:
        """What each value of ``compute`` is, by the same name and in the order of display. All of them are here."""

    @abstractmethod
    def update(self, prediction: Tensor, value: Tensor, valid: Tensor) -> None:
        """Update with a batch of decoded predictions; shapes as in ``taskscape.batch.Target``."""

    @abstractmethod
    def compute(self) -> dict[str, float]:
        """Return the metrics of all processes by name, without the task's prefix. Every process must call it.

        A metric for which nothing was counted is left out. Raises ``ValueError`` when a valid pixel had a prediction
        that is not finite: a diverged network has no metrics.
        """

    def plots(self) -> dict[str, Any]:
        """Return what a report draws besides numbers, as plain lists: a confusion matrix, a histogram.

        Over all processes; every process must call it.
        """
        return {}
