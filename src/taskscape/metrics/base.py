"""What every metric of this package is."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import torch
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
        """Update with a batch of decoded predictions; shapes as in ``taskscape.batch.Target``.

        The package's own take ``valid`` from the labels where it is left out. They raise ``ValueError`` for shapes that
        differ and values that are impossible, and are then as before.
        """

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


def check_shapes(prediction: Tensor, value: Tensor, valid: Tensor | None, channels: int | None) -> Tensor:
    """Return the mask of a batch, true everywhere where it was left out.

    Raises ``ValueError`` unless predictions and labels are (B, channels, H, W), or (B, H, W) without channels, and the
    mask is (B, H, W) bool.
    """
    axes = ("B", "H", "W") if channels is None else ("B", str(channels), "H", "W")
    for name, x in {"prediction": prediction, "value": value}.items():
        if x.ndim != len(axes) or (channels is not None and x.shape[1] != channels) or x.shape != value.shape:
            raise ValueError(
                f"{name} is {tuple(x.shape)}, where the labels are {tuple(value.shape)}: both must be "
                f"({', '.join(axes)})"
            )
    pixels = (len(value), *value.shape[-2:])
    if valid is None:
        return torch.ones(pixels, dtype=torch.bool, device=value.device)
    if valid.shape != pixels or valid.dtype != torch.bool:
        raise ValueError(f"valid is {valid.dtype} {tuple(valid.shape)}: it must be bool {pixels}")
    return valid
