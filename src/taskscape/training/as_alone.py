"""Operations that ``torch.vmap`` would compute differently from each network alone."""

from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode
from typing_extensions import override


class AsAlone(TorchFunctionMode):
    """Makes ``torch.vmap`` over several networks compute as each network does alone.

    Batch norms of all networks become one over all their channels, since on a GPU torch's rule fails for channels-last
    memory, and for bf16 in the backward pass. Autocast is applied before the rules of ``vmap``. After them it would get
    functions in parts, miss convolutions on a CPU and biases on a GPU, and change what attention computes in float32.
    """

    @override
    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if func is F.batch_norm:
            return _batch_norm(args, kwargs)
        if func not in _CASTS:
            return func(*args, **kwargs)
        device = (args[0] if args else kwargs["input"]).device.type
        if not _is_cast(func, device):
            return func(*args, **kwargs)
        dtype = _CASTS[func] or torch.get_autocast_dtype(device)
        with torch.autocast(device, enabled=False):
            return func(*(_cast(x, dtype) for x in args), **{name: _cast(x, dtype) for name, x in kwargs.items()})


_CASTS: dict[Any, torch.dtype | None] = {
    **dict.fromkeys((F.conv1d, F.conv2d, F.conv3d, F.conv_transpose1d, F.conv_transpose2d, F.conv_transpose3d)),
    **dict.fromkeys((F.linear, torch.matmul, Tensor.matmul, Tensor.__matmul__, torch.bmm, Tensor.bmm)),
    F.scaled_dot_product_attention: None,
    **dict.fromkeys((F.softmax, torch.softmax, Tensor.softmax), torch.float32),
    **dict.fromkeys((F.log_softmax, torch.log_softmax, Tensor.log_softmax, F.layer_norm), torch.float32),
}
"""Functions that autocast casts: None means to its reduced precision, float32 is used on a GPU only."""


def _is_cast(func: Any, device: str) -> bool:
    if not torch.amp.is_autocast_available(device) or not torch.is_autocast_enabled(device):
        return False
    return device != "cpu" or _CASTS[func] is None


def _cast(x: Any, dtype: torch.dtype) -> Any:
    return x.to(dtype) if isinstance(x, Tensor) and x.is_floating_point() and x.dtype is not torch.float64 else x


def _batch_norm(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    names = ("input", "running_mean", "running_var", "weight", "bias", "training", "momentum", "eps")
    arguments = {"weight": None, "bias": None, "training": False, "momentum": 0.1, "eps": 1e-5}
    arguments |= dict(zip(names, args, strict=False)) | dict(kwargs)
    return _BatchNorm.apply(*(arguments[name] for name in names))


class _BatchNorm(torch.autograd.Function):
    @staticmethod
    def forward(*args: Any) -> Tensor:
        return F.batch_norm(*args)

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        """Save nothing: torch differentiates the operations in ``vmap``."""

    @staticmethod
    def vmap(info: Any, in_dims: Any, x: Tensor, *args: Any) -> tuple[Tensor, int]:
        def flat(tensor: Any, dim: int | None) -> Any:
            """Return (networks · channels,) statistics or weights."""
            if not isinstance(tensor, Tensor):
                return tensor
            expanded = tensor.expand(info.batch_size, *tensor.shape) if dim is None else tensor.movedim(dim, 0)
            return expanded.reshape(-1)

        stacked = x.expand(info.batch_size, *x.shape) if in_dims[0] is None else x.movedim(in_dims[0], 0)
        merged = stacked.movedim(0, 1).flatten(1, 2)  # (B, networks · channels, …)
        normalized = F.batch_norm(merged, *(flat(tensor, dim) for tensor, dim in zip(args, in_dims[1:], strict=True)))
        return normalized.unflatten(1, (info.batch_size, -1)), 1
