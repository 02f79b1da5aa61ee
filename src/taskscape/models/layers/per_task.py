"""Parallel modules, one per task."""

from collections.abc import Mapping

from torch import Tensor, nn


class PerTask(nn.ModuleDict):
    """One module per task."""

    def forward(self, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Apply each task's module to the task's input."""
        return {task: module(inputs[task]) for task, module in self.items()}
