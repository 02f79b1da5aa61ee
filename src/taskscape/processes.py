"""Sums over the processes of a run, and the identity where there is only one."""

from collections.abc import Sequence

import torch
import torch.distributed as dist
from torch import Tensor


def world() -> int:
    """Return the number of processes that train together, 1 without ``torchrun``."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def rank() -> int:
    """Return this process's number, 0 … world() - 1."""
    return dist.get_rank() if dist.is_available() and dist.is_initialized() else 0


def total(x: Tensor) -> Tensor:
    """Return the sum of ``x`` over all processes, without a gradient. Every process must call it."""
    x = x.detach().clone()
    if world() > 1:
        dist.all_reduce(x)
    return x


def joined(x: Tensor) -> Tensor:
    """Return the sum of ``x`` over all processes, with the gradient of the local part only.

    Losses that are not linear in their sums need the joint value to get the local gradient right; the gradients of
    all processes are summed afterwards, so each must contribute its own part alone.
    """
    return x if world() == 1 else x + (total(x) - x.detach())


def share(joint: Tensor) -> Tensor:
    """Return a term whose values add up to ``joint`` over all processes, with the whole gradient of ``joint``.

    For a value computed from ``joined`` sums: its gradient is already this process's part of the joint gradient.
    """
    return joint if world() == 1 else joint - joint.detach() * (1 - 1 / world())


def sum_in_place(tensors: Sequence[Tensor]) -> None:
    """Replace each tensor by its sum over all processes, in one message per data type."""
    if world() == 1:
        return
    for dtype in dict.fromkeys(t.dtype for t in tensors):  # in the same order on every process
        group = [t for t in tensors if t.dtype == dtype]
        flat = torch.cat([t.reshape(-1) for t in group])
        dist.all_reduce(flat)
        for t, part in zip(group, flat.split([t.numel() for t in group]), strict=True):
            t.copy_(part.view_as(t))
