"""What every metric of this package is."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import wraps
from typing import Any, Literal

import torch
from torch import Tensor, nn

from taskscape.distributed import all_reduce_coalesced_, world_size
from taskscape.metrics.spec import MetricSpec


class TaskMetric(nn.Module, ABC):
    """The metrics of one task, accumulated over batches and processes.

    Its methods are those of a metric of torchmetrics, whose import takes seconds and brings in its other metrics.
    States are sums in int64 and float64, so batches of any size, none included, add up the same. A device without
    float64 (MPS) cannot hold them: there the metric and its inputs stay on the CPU.
    """

    def __init_subclass__(cls) -> None:
        """Let ``update`` keep no gradients, and ``compute`` see the sums over all processes."""
        super().__init_subclass__()
        if "update" in vars(cls):
            cls.update = torch.no_grad()(cls.update)  # type: ignore[method-assign]
        if "compute" in vars(cls):
            cls.compute = _over_all_processes(cls.compute)  # type: ignore[assignment, method-assign]

    def __init__(self) -> None:
        super().__init__()
        self._states: dict[str, Tensor] = {}
        self._summed = False

    def add_state(self, name: str, zeros: Tensor, dist_reduce_fx: Literal["sum"] = "sum") -> None:
        """Add a sum over batches and processes, the attribute ``name``."""
        self._states[name] = zeros
        self.register_buffer(name, zeros.clone(), persistent=False)

    def reset(self) -> None:
        """Set all sums to zero."""
        for name, zeros in self._states.items():
            getattr(self, name).copy_(zeros)

    def forward(self, *batch: Tensor, **named: Tensor) -> dict[str, float]:
        """Update with a batch, and return the metrics of this batch on this process alone."""
        before = {name: getattr(self, name).clone() for name in self._states}
        try:
            self.reset()
            self.update(*batch, **named)
            self._summed = True
            return self.compute()
        finally:
            self._summed = False
            for name, state in before.items():
                getattr(self, name).add_(state)

    @contextmanager
    def sync_context(self) -> Iterator[None]:
        """Let the states be the sums over all processes, each of which must enter."""
        if self._summed or world_size() == 1:
            yield
            return
        own = {name: getattr(self, name) for name in self._states}
        total = {name: state.clone() for name, state in own.items()}
        all_reduce_coalesced_(list(total.values()))
        try:
            self._summed = True
            for name, state in total.items():
                setattr(self, name, state)
            yield
        finally:
            self._summed = False
            for name, state in own.items():
                setattr(self, name, state)

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


def _over_all_processes(compute: Callable[[Any], dict[str, float]]) -> Callable[[Any], dict[str, float]]:
    @wraps(compute)
    def synchronized(metric: TaskMetric) -> dict[str, float]:
        with metric.sync_context():
            return compute(metric)

    return synchronized
