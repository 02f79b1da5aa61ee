"""The base class of metrics."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import wraps
from typing import Any, Literal, Self

import torch
from torch import Tensor, nn
from typing_extensions import override

from taskscape.batch import require_tensor
from taskscape.devices import is_quick_to_read
from taskscape.distributed import all_reduce_coalesced_, world_size
from taskscape.metrics.spec import MetricSpec


class TaskMetric(nn.Module, ABC):
    """The metrics of one task, accumulated over batches and processes.

    It has the methods of a torchmetrics metric, but does not depend on torchmetrics, whose import takes seconds and
    loads all its other metrics. States are sums in int64 and float64, so batches of any size, including empty ones, add
    up to the same result; casts, such as ``half()`` of a module with a metric, do not change their types. Devices
    without float64 (MPS) cannot hold the states; there, the metric and its inputs stay on the CPU.
    """

    def __init_subclass__(cls) -> None:
        """Disable gradients in ``update``, and make ``compute`` use the sums over all processes."""
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
        """Add a state that is summed over batches and processes, as the attribute ``name``.

        Raises ``ValueError`` for anything but a tensor of zeros and a sum, such as the lists of torchmetrics.
        """
        is_tensor = isinstance(zeros, Tensor)
        if not is_tensor or (is_quick_to_read(zeros) and zeros.any()) or dist_reduce_fx != "sum":
            raise ValueError(
                f"the state {name} of {type(self).__name__} must be a tensor of zeros, with dist_reduce_fx='sum': "
                "states are summed over batches and processes"
            )
        self._states[name] = zeros
        self.register_buffer(name, zeros.clone(), persistent=False)

    @override
    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        """Move the states to another device, but do not change their types."""

        def moved(state: Tensor) -> Tensor:
            converted = fn(state.new_empty(0))
            return fn(state) if converted.dtype == state.dtype else state.to(converted.device)

        return super()._apply(moved, recurse)  # type: ignore[no-untyped-call, no-any-return]

    def reset(self) -> None:
        """Set all states to zero."""
        for name, zeros in self._states.items():
            getattr(self, name).copy_(zeros)

    def forward(self, *batch: Tensor, **named: Tensor) -> dict[str, float]:
        """Update with a batch, and return the metrics of this batch on this process only."""
        saved_states = {name: getattr(self, name).clone() for name in self._states}
        try:
            self.reset()
            self.update(*batch, **named)
            self._summed = True
            return self.compute()
        finally:
            self._summed = False
            for name, state in saved_states.items():
                getattr(self, name).add_(state)

    @contextmanager
    def sync_context(self) -> Iterator[None]:
        """Replace the states by their sums over all processes within the context; every process must enter it."""
        if self._summed or world_size() == 1:
            yield
            return
        local_states = {name: getattr(self, name) for name in self._states}
        summed_states = {name: state.clone() for name, state in local_states.items()}
        all_reduce_coalesced_(list(summed_states.values()))
        try:
            self._summed = True
            for name, state in summed_states.items():
                setattr(self, name, state)
            yield
        finally:
            self._summed = False
            for name, state in local_states.items():
                setattr(self, name, state)

    @property
    @abstractmethod
    def specs(self) -> Mapping[str, MetricSpec]:
        """The spec of every value that ``compute`` may return, by the same name and in the order of display."""

    @abstractmethod
    def update(self, prediction: Tensor, value: Tensor, valid: Tensor) -> None:
        """Update with a batch of decoded predictions; shapes as in ``taskscape.batch.Target``.

        The metrics of the package do not require ``valid``. They raise ``ValueError`` for mismatched shapes and
        impossible values, and their states are then unchanged.
        """

    @abstractmethod
    def compute(self) -> dict[str, float]:
        """Return the metrics over all processes by name, without the task's prefix. Every process must call it.

        Metrics without any data are left out. Raises ``ValueError`` if a prediction at a valid pixel was not finite, as
        those of a diverged network.
        """

    def plots(self) -> dict[str, Any]:
        """Return the data of a report's plots as plain lists, such as a confusion matrix or a histogram.

        The data are over all processes; every process must call it.
        """
        return {}


def check_shapes(prediction: Tensor, value: Tensor, valid: Tensor | None, channels: int | None) -> Tensor:
    """Return the mask of a batch; true everywhere if ``valid`` is None.

    Raises ``ValueError`` unless predictions and labels are tensors, (B, channels, H, W), or (B, H, W) without channels,
    and the mask is (B, H, W) bool.
    """
    axes = ("B", "H", "W") if channels is None else ("B", str(channels), "H", "W")
    for name, x in {"prediction": prediction, "value": value}.items():
        require_tensor(name, x)
        if x.ndim != len(axes) or (channels is not None and x.shape[1] != channels) or x.shape != value.shape:
            raise ValueError(
                f"{name} is {tuple(x.shape)} and the labels are {tuple(value.shape)}: both must be ({', '.join(axes)})"
            )
    pixels = (len(value), *value.shape[-2:])
    if valid is None:
        return torch.ones(pixels, dtype=torch.bool, device=value.device)
    require_tensor("valid", valid)
    if valid.shape != pixels or valid.dtype != torch.bool:
        raise ValueError(f"valid is {valid.dtype} {tuple(valid.shape)}: it must be bool {pixels}")
    return valid


def _over_all_processes(compute: Callable[[Any], dict[str, float]]) -> Callable[[Any], dict[str, float]]:
    @wraps(compute)
    def synchronized(metric: TaskMetric) -> dict[str, float]:
        with metric.sync_context():
            return compute(metric)

    return synchronized
