"""torch's fused optimizers, which update all parameters in one pass over memory, without their delays on a CPU."""

from collections.abc import Callable
from inspect import unwrap
from typing import Any

import torch
from torch import Tensor


class _Uncompiled(torch.optim.Optimizer):
    """Removes torch's wrappers of these methods, which import its compiler at the first call.

    That import takes a second, which would delay the first step of a run. The wrappers keep the compiler from tracing
    into the methods, and no optimizer is compiled here.
    """

    add_param_group = unwrap(torch.optim.Optimizer.add_param_group)
    load_state_dict = unwrap(torch.optim.Optimizer.load_state_dict)
    state_dict = unwrap(torch.optim.Optimizer.state_dict)
    zero_grad = unwrap(torch.optim.Optimizer.zero_grad)

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> Any:
        return unwrap(super(_Uncompiled, type(self)).step)(self, closure)


class _InPlace(_Uncompiled):
    """Passes tensors to torch's fused CPU step in their memory order.

    Otherwise torch copies channels-last gradients into channels-first order without using the copies, which takes half
    the time of the step. Results are the same bit for bit.
    """

    def _init_group(self, group: dict[str, Any], *lists: list[Tensor]) -> Any:
        result = super()._init_group(group, *lists)  # type: ignore[misc]
        for tensors in lists:
            tensors[:] = map(_in_order, tensors)
        return result


def _in_order(x: Tensor) -> Tensor:
    is_channels_last = x.ndim == 4 and x.device.type == "cpu" and x.is_contiguous(memory_format=torch.channels_last)
    return x.permute(0, 2, 3, 1) if is_channels_last else x


class SGD(_Uncompiled, torch.optim.SGD):
    """``torch.optim.SGD`` without the wrappers for the compiler."""


class Adam(_InPlace, torch.optim.Adam):
    """``torch.optim.Adam`` without the wrappers for the compiler, and with tensors in memory order."""


class AdamW(_InPlace, torch.optim.AdamW):
    """``torch.optim.AdamW`` without the wrappers for the compiler, and with tensors in memory order."""
