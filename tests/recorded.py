"""A replacement of CUDA graphs on a CPU: records the operators of a call and repeats them without its Python code."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

_WAITS = {"_local_scalar_dense", "nonzero", "masked_select", "is_nonzero", "_unique2", "equal"}
"""Operators whose results the host must wait for."""


class RecordedGraphs:
    """Captures like ``CudaGraphs``, operator by operator."""

    def __init__(self) -> None:
        self.replays = 0

    def warm_up(self, call: Callable[[], Tensor]) -> Tensor:
        """Return the result of a call. Raises ``RuntimeError`` where the host of a GPU would wait."""
        with _Recording():
            return call()

    def capture(self, call: Callable[[], Tensor]) -> Callable[[], Tensor]:
        """Return a function that repeats the operators of a call. As on a GPU, capturing changes no other tensors."""
        recording = _Recording()
        with recording:
            result = call()
        recording.undo()

        def replay() -> Tensor:
            self.replays += 1
            recording.replay()
            return result

        return replay


class _Recording(TorchDispatchMode):
    def __init__(self) -> None:
        super().__init__()
        self._operators: list[tuple[Any, Sequence[Any], dict[str, Any], list[Tensor]]] = []
        self._own: set[int] = set()
        self._before: dict[object, tuple[Tensor, Tensor]] = {}
        self._kept: list[Any] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func.overloadpacket.__name__ in _WAITS:
            raise RuntimeError(f"called a synchronizing operator: {func}")
        for argument, given in zip(func._schema.arguments, [*args, *kwargs.values()], strict=False):
            if argument.alias_info is not None and argument.alias_info.is_write:
                self._keep(x for x in tree_leaves(given) if isinstance(x, Tensor))
        result = func(*args, **kwargs)
        new = [x for x in tree_leaves(result) if isinstance(x, Tensor)]
        aliases = any(x.alias_info is not None for x in func._schema.returns)
        self._operators.append((func, args, kwargs, [] if aliases else new))
        if not aliases:
            self._own |= {x.untyped_storage().data_ptr() for x in new}
        self._kept.append(result)  # so that its memory is not reused
        return result

    def _keep(self, tensors: Any) -> None:
        for x in tensors:
            place = x.data_ptr(), x.shape, x.stride()  # a view is distinct from its base
            if x.untyped_storage().data_ptr() not in self._own and place not in self._before:
                self._before[place] = x, x.detach().clone()

    def undo(self) -> None:
        with torch.no_grad():
            for x, before in reversed(self._before.values()):
                x.copy_(before)

    def replay(self) -> None:
        with torch.no_grad():
            for func, args, kwargs, results in self._operators:
                new = [x for x in tree_leaves(func(*args, **kwargs)) if isinstance(x, Tensor)]
                for own, other in zip(results, new, strict=False):
                    own.copy_(other)
