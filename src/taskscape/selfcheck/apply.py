"""Remedies: individual layers of a network compute in a different memory layout or precision."""

from collections.abc import Callable
from functools import cache
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves, tree_map

from taskscape.selfcheck.kinds import NORMALIZATIONS

Remedy = Literal["contiguous", "float32"]
"""``contiguous`` keeps the precision but computes in contiguous instead of channels-last memory; ``float32`` computes
in float32 and contiguous memory."""

REMEDIES: tuple[Remedy, ...] = ("contiguous", "float32")
"""All remedies in the order in which they are tried; the first costs less."""


def remedy_layer(module: nn.Module, remedy: Remedy) -> None:
    """Apply a remedy to a module: it takes effect under autocast, and keeps layout and precision of inputs and outputs.

    Names and values of weights do not change, so checkpoints stay valid. A module already in float32 stays in float32.
    """
    current = remedy_of(module)
    if current in (remedy, "float32"):
        return
    kind = type(module) if current is None else type(module).__bases__[0]
    module.__class__ = _remedied_class(kind, remedy)
    for parameter in module.parameters(recurse=False):
        parameter.data = parameter.data.clone(memory_format=torch.contiguous_format)


def remedy_of(module: nn.Module) -> Remedy | None:
    """Return the remedy applied to a module, or None."""
    return getattr(type(module), "precision_remedy", None)


@cache
def _remedied_class(kind: type[nn.Module], remedy: Remedy) -> type[nn.Module]:
    # Not compiled: torch's compiler drops the copy to another memory layout, and would run the wrong kernel again.
    forward = torch.compiler.disable(_remedied_forward(kind, remedy))
    subclass: type[nn.Module] = changed_class(kind, _remedied_again, remedy, forward=forward, precision_remedy=remedy)
    return subclass


def _remedied_again(module: nn.Module, remedy: Remedy) -> nn.Module:
    kind: Any = type(module)
    module.__class__ = _remedied_class(kind, remedy)
    return module


def changed_class(kind: type[nn.Module], again: Callable[..., nn.Module], *settings: Any, **members: Any) -> Any:
    """Return a subclass of ``kind`` with the same name and additional or overridden members.

    The class is not importable, so its objects are pickled as objects of ``kind``. On loading, ``again``, a
    module-level function, converts them back with these settings.
    """

    def reduce(self: nn.Module, protocol: int) -> tuple[Any, ...]:
        plain = object.__new__(kind)
        plain.__dict__.update(self.__dict__)  # a new dict, so copies do not share it
        return again, (plain, *settings)

    return type(kind.__name__, (kind,), {**members, "__reduce_ex__": reduce, "__module__": kind.__module__})


def _remedied_forward(kind: type[nn.Module], remedy: Remedy) -> Callable[..., Any]:
    def forward(self: nn.Module, *args: Any, **kwargs: Any) -> Any:
        tensors = [x for x in tree_leaves((args, kwargs)) if isinstance(x, Tensor)]
        device = tensors[0].device.type if tensors else "cpu"
        if not tensors or not torch.is_autocast_enabled(device):
            return kind.forward(self, *args, **kwargs)
        if remedy == "float32":
            dtype = tensors[0].dtype if issubclass(kind, NORMALIZATIONS) else torch.get_autocast_dtype(device)
            args, kwargs = tree_map(lambda x: _contiguous(_cast(x, torch.float32)), (args, kwargs))
            with torch.autocast(device, enabled=False):
                output = tree_map(lambda x: _cast(x, dtype), kind.forward(self, *args, **kwargs))
        else:
            args, kwargs = tree_map(_contiguous, (args, kwargs))
            output = kind.forward(self, *args, **kwargs)
        return tree_map(_channels_last, output) if any(map(_is_channels_last, tensors)) else output

    return forward


def _cast(x: Any, dtype: torch.dtype) -> Any:
    return x.to(dtype) if isinstance(x, Tensor) and x.is_floating_point() else x


def _contiguous(x: Any) -> Any:
    # Not x.contiguous(), which keeps channels-last strides where both layouts are equivalent.
    return x.clone(memory_format=torch.contiguous_format) if isinstance(x, Tensor) else x


def _channels_last(x: Any) -> Any:
    return x.contiguous(memory_format=torch.channels_last) if isinstance(x, Tensor) and x.dim() == 4 else x


def _is_channels_last(x: Tensor) -> bool:
    return x.dim() == 4 and not x.is_contiguous() and x.is_contiguous(memory_format=torch.channels_last)
