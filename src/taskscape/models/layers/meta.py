"""Networks without numbers: shapes alone, on torch's meta device."""

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
    """Build and call modules on the meta device: nothing is computed, and no random number is drawn."""
    with torch.device("meta"), _WithoutCompiler():
        yield


class _WithoutCompiler(TorchFunctionMode):
    """Gives the results of functions for which torch imports its compiler, a second, where all are empty anyway."""

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
