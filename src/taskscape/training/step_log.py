"""The results of an epoch's steps: read from the device several at once, checked, logged and averaged."""

import math
from collections.abc import Mapping
from pathlib import Path

import torch

from taskscape.devices import with_float64
from taskscape.errors import TrainingError
from taskscape.training.finite import REMEDY
from taskscape.training.log import Log, prefixed
from taskscape.training.step_result import StepResult


class RunningMeans:
    """The mean value of each name, over the updates that contained it."""

    def __init__(self, state: Mapping[str, tuple[float, int]] | None = None) -> None:
        """Start empty, or from the ``state()`` of another instance."""
        self._sums: dict[str, tuple[float, int]] = dict(state or {})
        self.last: dict[str, float] = {}
        """The values of the last update."""

    def update(self, values: Mapping[str, float]) -> None:
        """Add one value for each of these names."""
        for name, value in values.items():
            total, count = self._sums.get(name, (0.0, 0))
            self._sums[name] = total + value, count + 1
        self.last = dict(values)

    def compute(self) -> dict[str, float]:
        """Return the means by name."""
        return {name: total / count for name, (total, count) in self._sums.items()}

    def state(self) -> dict[str, tuple[float, int]]:
        """Return the sum and the count of each name, for a checkpoint."""
        return dict(self._sums)


class StepLog:
    """Collects the results of steps on the device, and reads them when asked to."""

    def __init__(self, log: Log, steps_per_epoch: int, checkpoint: Path, device: torch.device) -> None:
        """Write to ``log``; error messages name the epoch and the ``checkpoint`` of the run."""
        self._log, self._steps_per_epoch, self._checkpoint = log, steps_per_epoch, checkpoint
        self._device = with_float64(device)
        self._unread: list[tuple[int, float, StepResult]] = []
        self.losses, self.weights = RunningMeans(), RunningMeans()
        """Means of this epoch, by task."""

    def add(self, step: int, learning_rate: float, result: StepResult) -> None:
        """Add the result of a step."""
        self._unread.append((step, learning_rate, result))

    def read(self) -> None:
        """Read, check and log the results added since the last time: a synchronization point.

        Raises ``TrainingError`` if a loss or the norm of a gradient is not finite.
        """
        unread, self._unread = self._unread, []
        values = iter(self._to_floats([result for *_, result in unread]))
        for step, learning_rate, result in unread:
            losses = {name: next(values) for name in result.losses}
            weights = {name: next(values) for name in result.weights}
            quantities = {f"loss of {name}": loss for name, loss in losses.items()}
            self._require_finite(step, quantities | {"norm of the gradient": next(values)})
            self.losses.update(losses)
            self.weights.update(weights)
            row = prefixed("step/loss", losses) | prefixed("step/weight", weights)
            self._log.write_step(step, row | {"step/lr": learning_rate})

    def start_epoch(self) -> None:
        """Start new means."""
        self.losses, self.weights = RunningMeans(), RunningMeans()

    def _to_floats(self, results: list[StepResult]) -> list[float]:
        """Copy all scalars to main memory at once."""
        scalars = [x.detach().to(self._device, torch.float64) for result in results for x in result.scalars()]
        return torch.stack(scalars).tolist() if scalars else []

    def _require_finite(self, step: int, quantities: dict[str, float]) -> None:
        for name, value in quantities.items():
            if not math.isfinite(value):
                path, epoch = self._checkpoint, (step - 1) // self._steps_per_epoch + 1
                is_saved = path.exists()
                note = f"{path} was not touched since it was written" if is_saved else "no checkpoint was written yet"
                raise TrainingError(f"the {name} is {value} at step {step} (epoch {epoch}); {note}. {REMEDY}")
