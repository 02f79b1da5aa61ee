"""Steps whose results are still on the device."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from taskscape.devices import with_float64
from taskscape.training.step_result import StepResult


class ReadStep(NamedTuple):
    """The result of a step as Python numbers; see ``StepResult``."""

    step: int
    learning_rate: float
    losses: dict[str, float]
    weights: dict[str, float]
    gradient_norm: float


class PendingSteps:
    """Collects the results of steps, to read several at once."""

    def __init__(self, device: torch.device) -> None:
        self._device = with_float64(device)
        self._steps: list[tuple[int, float, StepResult]] = []

    def add(self, step: int, learning_rate: float, result: StepResult) -> None:
        """Add the result of a step."""
        self._steps.append((step, learning_rate, result))

    def read(self) -> list[ReadStep]:
        """Return the collected results, oldest first, and forget them: a synchronization point."""
        steps, self._steps = self._steps, []
        scalars = [
            x for *_, result in steps for x in (*result.losses.values(), *result.weights.values(), result.gradient_norm)
        ]
        values = iter(self._to_floats(scalars))
        return [
            ReadStep(
                step,
                learning_rate,
                {name: next(values) for name in result.losses},
                {name: next(values) for name in result.weights},
                next(values),
            )
            for step, learning_rate, result in steps
        ]

    def _to_floats(self, scalars: Sequence[Tensor]) -> list[float]:
        """Copy all scalars to main memory at once."""
        if not scalars:
            return []
        floats: list[float] = torch.stack([x.detach().to(self._device, torch.float64) for x in scalars]).tolist()
        return floats
