"""Max pooling with indices, and unpooling with these indices (SegNet, https://arxiv.org/abs/1511.00561)."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor
from typing_extensions import override


class Pooled(NamedTuple):
    """A pooled map and the positions of its maxima."""

    features: Tensor
    """(B, C, ⌈h/2⌉, ⌈w/2⌉)."""
    indices: Tensor
    """The position of each maximum in the map before pooling, in the same shape as the features."""
    size: Sequence[int]
    """The height and width before pooling."""


def pool(x: Tensor) -> Pooled:
    """Return the 2×2 maxima of a (B, C, h, w) map. Odd sizes are rounded up, so no pixel is lost."""
    features, indices = F.max_pool2d_with_indices(x, [2, 2], ceil_mode=True)
    return Pooled(features, indices, x.shape[-2:])


def unpool(x: Tensor, pooled: Pooled) -> Tensor:
    """Put the values of a map, shaped like the pooled one, at the positions of the maxima in an h×w map of zeros."""
    if not x.requires_grad or torch.compiler.is_compiling():
        return _unpooled(x, pooled.indices, pooled.size)
    unpooled: Tensor = _Unpooling.apply(x, pooled.indices, pooled.size)
    return unpooled


def _unpooled(x: Tensor, indices: Tensor, size: Sequence[int]) -> Tensor:
    unpooled = F.max_unpool2d(x, indices, [2, 2], output_size=list(size))
    return unpooled.to(x.dtype)  # CPU autocast widens it, and everything concatenated with it


class _Unpooling(torch.autograd.Function):
    """Unpooling that keeps the dtype and the memory format.

    CPU autocast would widen both maps, and torch would change the memory format of the gradient.
    """

    generate_vmap_rule = True

    @staticmethod
    @override
    def forward(x: Tensor, indices: Tensor, size: Sequence[int]) -> Tensor:
        with torch.autocast("cpu", enabled=False):
            return _unpooled(x, indices, size)

    @staticmethod
    @override
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        _, indices, _ = inputs
        ctx.save_for_backward(indices)

    @staticmethod
    @override
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        (gradient,), (indices,) = gradients, ctx.saved_tensors
        channels = indices.shape[1]
        indices_nhwc = indices.permute(0, 2, 3, 1)
        positions = channels * indices_nhwc + torch.arange(channels, device=indices.device)
        gathered = gradient.permute(0, 2, 3, 1).flatten(1).gather(1, positions.flatten(1))
        return gathered.view(indices_nhwc.shape).permute(0, 3, 1, 2), None, None
