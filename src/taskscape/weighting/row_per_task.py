"""State of the methods that keep a vector for each task, with a number for each shared parameter."""

from typing import Any

import torch
from torch import Tensor, nn
from typing_extensions import override


class RowPerTask(nn.Module):
    """A matrix with a row per task and a column per number of the shared parameters, in the state dict.

    It is made, with zeros, in the first step, when the number of columns is known.
    """

    def __init__(self, tasks: int) -> None:
        super().__init__()
        self.tasks = tasks
        self.matrix: Tensor | None = None

    def like(self, rows: Tensor) -> Tensor:
        """Return the matrix, (tasks, columns), with the columns, device and dtype of ``rows``, to be changed in place.

        Raises ``ValueError`` for another number of columns than in the steps before.
        """
        columns = rows.shape[1]
        if self.matrix is None:
            self.matrix = torch.zeros(self.tasks, columns, dtype=rows.dtype, device=rows.device)
        elif self.matrix.shape[1] != columns:
            raise ValueError(
                f"the shared parameters have {columns:,} numbers, and in earlier steps they had "
                f"{self.matrix.shape[1]:,}: this weighting has a state for each of them, so name the same ones in "
                "every step"
            )
        self.matrix = self.matrix.to(rows)  # a checkpoint is loaded on the CPU
        return self.matrix

    @override
    def get_extra_state(self) -> dict[str, Any]:
        """Return the matrix, for the state dict; None before the first step."""
        return {"matrix": self.matrix}

    @override
    def set_extra_state(self, state: dict[str, Any]) -> None:
        matrix: Tensor | None = state["matrix"]
        self.matrix = None if matrix is None else matrix.clone()
