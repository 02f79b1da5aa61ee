"""torch's optimizers whose step updates all parameters in one pass over memory, without what delays it on a CPU."""

from collections.abc import Callable
from inspect import unwrap
from typing import Any

import torch
from torch import Tensor


class _Uncompiled(torch.optim.Optimizer):
    """Leaves out what torch wraps around these methods, which imports its compiler at their first call.

    That takes a second, which the first step of a run would wait for. The wrappers keep compiled code from following
    into the methods, and here no optimizer is compiled.
    """

    add_param_group = unwrap(torch.optim.Optimizer.add_param_group)
    load_state_dict = unwrap(torch.optim.Optimizer.load_state_dict)
    state_dict = unwrap(torch.optim.Optimizer.state_dict)
    zero_grad = unwrap(torch.optim.Optimizer.zero_grad)

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> Any:
        return unwrap(super(_Uncompiled, type(self)).step)(self, closure)


class _InPlace(_Uncompiled):
    """Gives torch's fused step on a CPU tensors in their order in memory.

    It copies gradients with channels last into the order of channels first, and makes no use of the copies: half of its
    time. Results are the same bit for bit.
    """

    def _init_group(self, group: dict[str, Any], *lists: list[Tensor]) -> Any:
        found = super()._init_group(group, *lists)  # type: ignore[misc]
        for tensors in lists:
            tensors[:] = map(_in_order, tensors)
        return found


def _in_order(x: Tensor) -> Tensor:
    is_last = x.ndim == 4 and x.device.type == "cpu" and x.is_contiguous(memory_format=torch.channels_last)
    return x.permute(0, 2, 3, 1) if is_last else x


class SGD(_Uncompiled, torch.optim.SGD):
    """torch's."""


class Adam(_InPlace, torch.optim.Adam):
    """torch's."""


class AdamW(_InPlace, torch.optim.AdamW):
    """torch's."""
