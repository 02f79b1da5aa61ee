"""Pooling with indices, and unpooling by them (SegNet, https://arxiv.org/abs/1511.00561)."""

from collections.abc import Sequence
from typing import NamedTuple

import torch.nn.functional as F
from torch import Tensor


class Pooled(NamedTuple):
    """A pooled map, and where its values came from."""

    features: Tensor
    """(B, C, ⌈h/2⌉, ⌈w/2⌉)."""
    indices: Tensor
    """Where in the map before pooling each maximum was, shaped as the features."""
    size: Sequence[int]
    """The height and width before pooling."""


def pool(x: Tensor) -> Pooled:
    """Return the 2×2 maxima of a (B, C, h, w) map. Odd sizes are rounded up, so that no pixel is lost."""
    features, indices = F.max_pool2d_with_indices(x, [2, 2], ceil_mode=True)
    return Pooled(features, indices, x.shape[-2:])


def unpool(x: Tensor, pooled: Pooled) -> Tensor:
    """Put the values of a map, shaped as the pooled one, where the maxima were; the rest of the h×w map is zero."""
    unpooled = F.max_unpool2d(x, pooled.indices, [2, 2], output_size=list(pooled.size))
    return unpooled.to(x.dtype)  # autocast on a CPU widens it, and all that is concatenated with it
