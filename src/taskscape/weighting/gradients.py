"""Building blocks of the methods that combine the tasks' gradients."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from taskscape.distributed import rank, sum_in_place, total, world
from taskscape.weighting.base import Losses, Shared, Weighting

Mode = Literal["parameters", "features"]
"""What gradients are taken with respect to: all shared parameters, or the features at the cut."""


class Gradients(Weighting):
    """One gradient per task at the shared part, combined into one; the tasks' own parts get the plain sum.

    With mode ``parameters`` every task's gradient runs through the shared part. With ``features`` it stops at the cut,
    and the combined one runs through the shared part once: cheaper, and another method, as the gradients of different
    images and places lie side by side instead of being summed.
    """

    one_backward = False
    retains_graph = True

    def __init__(self, tasks: Sequence[str], mode: Mode) -> None:
        super().__init__(tasks)
        if mode not in ("parameters", "features"):
            raise ValueError(f"weighting.mode is {mode!r}; choose parameters or features")
        self.mode = mode

    def check(self, shared: Shared, compiled: bool) -> None:
        """Raise ``ValueError`` where there is nothing shared, no cut, or a compiled network that hides it."""
        if not shared.parameters:
            raise ValueError(
                "this weighting combines the tasks' gradients at the parameters that all of them share, but this "
                "network shares none that is trained; choose another network, or a weighting such as dwa or famo"
            )
        if self.mode == "features" and not shared.features:
            raise ValueError(
                "weighting.mode is features, but this network has no cut between a shared and the tasks' own part; "
                "choose --weighting.mode parameters"
            )
        if self.mode == "features" and compiled:
            raise ValueError(
                "weighting.mode is features, but a compiled network gives no gradient at its inner features; "
                "choose --weighting.mode parameters, or do not compile"
            )
        assert shared.own, "a network without a head"

    @abstractmethod
    def combine(self, rows: Tensor, sizes: Sequence[int], tasks: Sequence[str]) -> tuple[Tensor, Tensor | None]:
        """Combine the gradients, one row per task in ``tasks``, and give the weight of each if there is one.

        ``rows`` is (tasks, columns), this process's share, and may be overwritten; ``sizes`` are the columns of each
        parameter or feature. Returns this process's share of the combined gradient, (columns,).
        """

    def backward(self, losses: Losses, shared: Shared) -> dict[str, Tensor] | None:
        """Leave the combined gradient in the shared parameters, and the sum in the tasks' own."""
        places: Sequence[Tensor] = shared.parameters if self.mode == "parameters" else shared.features
        sizes = [place.numel() for place in places]
        combined, weights = self.combine(_rows(losses, places, shared.own), sizes, tuple(losses))
        # In each place's own type and order of memory.
        parts = [
            torch.empty_like(place).copy_(part.view_as(place))
            for place, part in zip(places, combined.split(sizes), strict=True)
        ]
        if self.mode == "parameters":
            for parameter, part in zip(shared.parameters, parts, strict=True):
                parameter.grad = part
        else:
            torch.autograd.backward(shared.features, parts)
        return None if weights is None else dict(zip(losses, weights, strict=True))


class GramianGradients(Gradients):
    """Σ w_k · g_k, with weights that depend on the gradients' inner products alone."""

    @abstractmethod
    def weights(self, gramian: Tensor, tasks: Sequence[str]) -> Tensor:
        """Return the weight of each task from the inner products of their gradients, (tasks, tasks), on the CPU."""

    def combine(self, rows: Tensor, sizes: Sequence[int], tasks: Sequence[str]) -> tuple[Tensor, Tensor]:
        """Weigh the rows."""
        if self.mode == "parameters":
            sum_in_place([rows])  # now the gradients of the joined batch
            gramian = rows @ rows.T
        else:
            gramian = total(rows @ rows.T)  # in the joined batch the images lie side by side: inner products add up
        # A synchronisation point: a K×K matrix is dealt with faster on the CPU, and solvers need it there.
        weights = self.weights(gramian.cpu(), tasks).to(rows)
        return weights @ rows / (world() if self.mode == "parameters" else 1), weights


class MatrixGradients(Gradients):
    """Any function of the gradients."""

    @abstractmethod
    def combined(self, rows: Tensor, tasks: Sequence[str]) -> Tensor:
        """Return the combined gradient, (columns,), of the joined batch's, (tasks, columns)."""

    def combine(self, rows: Tensor, sizes: Sequence[int], tasks: Sequence[str]) -> tuple[Tensor, None]:
        """Bring the joined batch together, and take this process's share of what comes out."""
        if self.mode == "parameters":
            sum_in_place([rows])
            return self.combined(rows, tasks) / world(), None
        whole, mine = _side_by_side(rows.split(list(sizes), 1))
        return self.combined(whole, tasks)[mine], None


def _rows(losses: Losses, places: Sequence[Tensor], own: Sequence[Tensor]) -> Tensor:
    """Return each loss's gradient with respect to ``places`` as a row, and add up those of ``own`` in ``.grad``."""
    precision = torch.promote_types(places[0].dtype, torch.float32)  # features may be in bfloat16
    rows = places[0].new_empty(len(losses), sum(place.numel() for place in places), dtype=precision)
    for k, loss in enumerate(losses.values()):
        gradients = torch.autograd.grad(loss, (*places, *own), retain_graph=k + 1 < len(losses), allow_unused=True)
        at_places, of_own = gradients[: len(places)], gradients[len(places) :]
        for part, gradient in zip(rows[k].split([place.numel() for place in places]), at_places, strict=True):
            # A feature that a task does not use has no gradient.
            part.copy_(gradient.flatten()) if gradient is not None else part.zero_()
        for parameter, gradient in zip(own, of_own, strict=True):
            if gradient is not None:
                parameter.grad = (torch.zeros_like(parameter) if parameter.grad is None else parameter.grad) + gradient
    return rows


def _side_by_side(parts: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Lay every process's columns of each part side by side, as one process would have them with the joined batch.

    Returns the matrix, and the columns in it that are this process's.
    """
    widths = torch.zeros(world(), len(parts), dtype=torch.long, device=parts[0].device)
    widths[rank()] = widths.new_tensor([part.shape[1] for part in parts])
    sum_in_place([widths])
    # Part by part, and within a part process by process.
    ends = widths.T.flatten().cumsum(0).tolist()
    whole = parts[0].new_zeros(len(parts[0]), ends[-1])
    mine = []
    for i, part in enumerate(parts):
        end = ends[i * world() + rank()]
        whole[:, end - part.shape[1] : end] = part
        mine.append(torch.arange(end - part.shape[1], end, device=whole.device))
    sum_in_place([whole])  # everyone else has zeros in my columns
    return whole, torch.cat(mine)
