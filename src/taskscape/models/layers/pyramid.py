"""A feature pyramid built from maps of other sizes."""

from collections.abc import Sequence
from typing import overload

import torch.nn.functional as F
from torch import Tensor
from typing_extensions import override


class Pyramid(Sequence[Tensor]):
    """A sequence of levels that are resized bilinearly from maps on access.

    ``maps`` are (B, C, h, w) and cover an image of ``size``, (H, W). Level i is ``maps[sources[i]]`` resized to stride
    ``strides[i]``.
    """

    def __init__(
        self, maps: Sequence[Tensor], sources: Sequence[int], strides: Sequence[int], size: Sequence[int]
    ) -> None:
        self.maps, self.sources, self.strides, self.size = maps, sources, strides, size

    @override
    def __len__(self) -> int:
        """Return the number of levels."""
        return len(self.strides)

    @overload
    def __getitem__(self, index: int) -> Tensor: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Tensor]: ...
    @override
    def __getitem__(self, index: int | slice) -> Tensor | Sequence[Tensor]:
        """Return a level, (B, C, ⌈H/stride⌉, ⌈W/stride⌉), or for a slice a list of levels."""
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        stride = self.strides[index]
        size = [-(-length // stride) for length in self.size]
        return F.interpolate(self.maps[self.sources[index]], size=size, mode="bilinear", align_corners=False)
