"""Networks on torch's meta device, which has shapes but no values."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode
from typing_extensions import override


@contextmanager
def without_numbers() -> Iterator[None]:
    """Build and call modules on the meta device, without computing anything or drawing random numbers."""
    with torch.device("meta"), _WithoutCompiler():
        yield


def without_autocast(x: Tensor) -> torch.autocast:
    """Return a context that computes in the precision of the tensors, on the device of ``x``."""
    return torch.autocast("cpu" if x.is_meta else x.device.type, enabled=False)  # autocast does not support meta


class _WithoutCompiler(TorchFunctionMode):
    """Replaces functions for which torch would import its compiler, which takes a second; meta results are empty."""

    FILLS = (Tensor.normal_, Tensor.uniform_)

    @override
    def __torch_function__(
        self, func: Callable[..., Any], types: Sequence[type], args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        if func in self.FILLS:
            return args[0]
        if func is F.batch_norm:
            return torch.empty_like(args[0])
        return func(*args, **(kwargs or {}))
