"""The tasks' gradients as the rows of a matrix, and functions of it."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from taskscape.distributed import all_reduce_coalesced_, all_reduce_sum, rank, world_size

_COLUMNS_AT_ONCE = 2**16
"""Number of columns converted to another dtype at once; converting all would take twice the gradients' memory."""


class Combined(NamedTuple):
    """A combination of the tasks' gradients."""

    gradient: Tensor
    """The combined gradient, (columns,)."""
    weights: Tensor | None
    """The weight of each task, (tasks,), if the gradient is a weighted sum; otherwise None."""


class TaskGradients:
    """The matrix of gradients of the global losses, one row per task, whose columns may be split over processes."""

    def __init__(self, rows: Tensor, sizes: Sequence[int], *, split: bool) -> None:
        """Create it from this process's columns, (tasks, columns), and the number of columns per parameter or feature.

        With ``split``, every process has different columns, those of its own images; otherwise all have the same.
        """
        self.rows, self.sizes, self.split = rows, sizes, split

    def weighted_sum(self, weights_of: Callable[[Tensor], Tensor], precision: torch.dtype = torch.float64) -> Combined:
        """Return this process's columns of Σ w_k · g_k, for weights that are a function of the inner products.

        ``weights_of`` takes the products of all pairs of gradients, (tasks, tasks), on the CPU. The products and the
        sum are accumulated in ``precision``; in float32, a gradient would vanish beside one a thousand times longer.
        """
        gramian = self._gramian(precision)
        if self.split:
            gramian = all_reduce_sum(gramian)
        # A synchronization point: small matrices are faster on the CPU, and solvers need them there.
        weights = weights_of(gramian.cpu()).to(self.rows.device, precision)
        return Combined(self._sum(weights), weights.to(self.rows.dtype))

    def _gramian(self, precision: torch.dtype) -> Tensor:
        if precision == self.rows.dtype:
            return self.rows @ self.rows.T
        gramian = self.rows.new_zeros(len(self.rows), len(self.rows), dtype=precision)
        for part in self.rows.split(_COLUMNS_AT_ONCE, 1):
            widened = part.to(precision)
            gramian.addmm_(widened, widened.T)
        return gramian

    def _sum(self, weights: Tensor) -> Tensor:
        if weights.dtype == self.rows.dtype:
            return weights @ self.rows
        total = torch.empty_like(self.rows[0])
        for part, total_part in zip(self.rows.split(_COLUMNS_AT_ONCE, 1), total.split(_COLUMNS_AT_ONCE), strict=True):
            total_part.copy_(weights @ part.to(weights.dtype))
        return total

    def aggregate(self, function: Callable[[Tensor], Tensor]) -> Combined:
        """Return this process's columns of a function of the complete matrix, from (tasks, columns) to (columns,)."""
        if not self.split:
            return Combined(function(self.rows), None)
        matrix, columns = _gather_columns(self.rows.split(list(self.sizes), 1))
        return Combined(function(matrix)[columns], None)


def _gather_columns(parts: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Concatenate the columns of all processes, part by part, as one process would have them for the global batch.

    Returns the matrix and the indices of this process's columns.
    """
    widths = torch.zeros(world_size(), len(parts), dtype=torch.long, device=parts[0].device)
    widths[rank()] = widths.new_tensor([part.shape[1] for part in parts])
    all_reduce_coalesced_([widths])
    # The order is by part, and within a part by process.
    ends = widths.T.flatten().cumsum(0).tolist()
    matrix = parts[0].new_zeros(len(parts[0]), ends[-1])
    columns = []
    for i, part in enumerate(parts):
        end = ends[i * world_size() + rank()]
        start = end - part.shape[1]
        matrix[:, start:end] = part
        columns.append(torch.arange(start, end, device=matrix.device))
    all_reduce_coalesced_([matrix])  # the other processes have zeros in these columns
    return matrix, torch.cat(columns)
