"""Tile large images, and blend the raw outputs of the tiles."""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from taskscape.inference.checks import Overlap
from taskscape.serialization.ranges import Count, RangedSettings

if TYPE_CHECKING:
    from torch import Tensor

    Raw = Mapping[str, Tensor]
    """Raw outputs, (1, channels, h, w), by task."""


@dataclass(frozen=True)
class Tiles(RangedSettings):
    """Compute an image in overlapping tiles at full resolution; memory grows only with the width of the image.

    Where tiles overlap, their raw outputs, such as class scores and the logarithm of depth, are blended with weights
    that rise as a squared sine from a tile's edge and add up to 1 everywhere. An image that fits into one tile is a
    tile of its own.
    """

    size: tuple[Count, Count] | None = None
    """Height and width of a tile in pixels; by default the size of the images that the network was evaluated on."""
    overlap: Overlap = 0.25
    """Minimum overlap of neighboring tiles, as a share of a tile's height and width."""
    anchor: bool = True
    """Multiply the depth of each tile by a factor that matches it to the depth of the whole image, predicted at the
    height at which the network was evaluated. Without this, objects look nearer in larger images, and farther in
    smaller ones."""

    def along(self, length: int, side: int) -> "list[tuple[int, Tensor]]":
        """Return the start of each tile of length ``side`` along an axis, and the weights of its pixels.

        Tiles are spaced evenly; at every pixel of the axis, the weights of all tiles add up to 1.
        """
        import torch

        if length <= side:
            return [(0, torch.ones(length))]
        shared = min(max(1, round(side * self.overlap)), side - 1)
        count = math.ceil((length - shared) / (side - shared))
        starts = [round(i * (length - side) / (count - 1)) for i in range(count)]
        ramp = ((torch.arange(shared, dtype=torch.float64) + 0.5) * (math.pi / 2 / max(shared, 1))).sin().square()
        total = torch.zeros(length, dtype=torch.float64)
        windows = []
        for start in starts:
            window = torch.ones(side, dtype=torch.float64)
            if start > 0:
                window[:shared] *= ramp
            if start + side < length:
                window[side - shared :] *= ramp.flip(0)
            windows.append(window)
            total[start : start + side] += window
        return [
            (start, (window / total[start : start + side]).float())
            for start, window in zip(starts, windows, strict=True)
        ]


def blended(
    forward: "Callable[[list[tuple[slice, slice]]], Raw]",
    size: tuple[int, int],
    tiles: Tiles,
    batch: int = 1,
) -> "Iterator[tuple[slice, Raw]]":
    """Yield the raw outputs of an image of ``size`` in bands of rows, from top to bottom.

    ``forward`` is called with the rows and columns of at most ``batch`` tiles of one size, and returns their raw
    outputs, (tiles, channels, h, w). At most one row of tiles is kept in memory.
    """
    assert tiles.size is not None
    down, across = (tiles.along(n, side) for n, side in zip(size, tiles.size, strict=True))
    sums: dict[str, Tensor] = {}
    for number, (top, vertical) in enumerate(down):
        rows = slice(top, top + len(vertical))
        previous_sums, sums = sums, {}
        for start in range(0, len(across), batch):
            group = across[start : start + batch]
            raws = forward([(rows, slice(left, left + len(horizontal))) for left, horizontal in group])
            for name, raw in raws.items():
                if name not in sums:
                    sums[name] = raw.new_zeros(1, raw.shape[1], len(vertical), size[1])
                for tile, (left, horizontal) in zip(raw, group, strict=True):
                    weight = vertical.to(raw)[:, None] * horizontal.to(raw)
                    sums[name][0, :, :, left : left + len(horizontal)] += tile * weight
        for name, part in previous_sums.items():
            sums[name][:, :, : part.shape[2]] += part
        num_finished = down[number + 1][0] - top if number + 1 < len(down) else len(vertical)
        yield slice(top, top + num_finished), {name: raw[:, :, :num_finished] for name, raw in sums.items()}
        sums = {name: raw[:, :, num_finished:].clone() for name, raw in sums.items()}
