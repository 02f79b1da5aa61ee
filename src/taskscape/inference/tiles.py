"""Tiles of large images, whose raw outputs are blended into those of the image."""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from taskscape.serialization.ranges import Count, Fraction, RangedSettings

Raw = Mapping[str, Tensor]
"""By task: raw output, (1, channels, h, w)."""


@dataclass(frozen=True)
class Tiles(RangedSettings):
    """Compute an image in tiles that overlap, at full resolution: memory grows with the width of the image only.

    Where tiles overlap, their raw outputs, such as scores of classes and the logarithm of depth, are blended with
    weights that rise as a squared sine from a tile's edge and add up to 1 everywhere. An image that fits into one tile
    is predicted as without tiles.
    """

    size: tuple[Count, Count] | None = None
    """Height and width of a tile in pixels; by default those of the images that the network was evaluated on."""
    overlap: Fraction = 0.25
    """Share of a tile's height and width that it has in common, at least, with the next one."""
    anchor: bool = True
    """Multiply the depth of each tile by a factor that brings it to the depth of the image scaled to the height at
    which the network was evaluated: a network takes what is enlarged for nearer."""

    def __post_init__(self) -> None:
        """Check the settings. Raises ``ValueError``."""
        super().__post_init__()
        if self.overlap > 0.75:
            raise ValueError(f"overlap is {self.overlap}: more than 0.75 computes every pixel more than 16 times")

    def along(self, length: int, side: int) -> list[tuple[int, Tensor]]:
        """Return where tiles of this side start along an axis, and the weight of each of their pixels.

        Tiles are spread evenly; at every pixel of the axis the weights of all tiles add up to 1.
        """
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
    forward: Callable[[list[tuple[slice, slice]]], Raw],
    size: tuple[int, int],
    tiles: Tiles,
    batch: int = 1,
) -> Iterator[tuple[slice, Raw]]:
    """Return the raw output of an image of ``size`` in bands of rows, from top to bottom.

    ``forward`` returns the raw outputs for tiles of one size, (tiles, channels, h, w), whose rows and columns it gets,
    at most ``batch`` together. No more than one row of tiles is kept.
    """
    assert tiles.size is not None
    down, across = (tiles.along(n, side) for n, side in zip(size, tiles.size, strict=True))
    kept: dict[str, Tensor] = {}
    for number, (top, vertical) in enumerate(down):
        rows = slice(top, top + len(vertical))
        carried, kept = kept, {}
        for first in range(0, len(across), batch):
            group = across[first : first + batch]
            raws = forward([(rows, slice(left, left + len(horizontal))) for left, horizontal in group])
            for name, raw in raws.items():
                if name not in kept:
                    kept[name] = raw.new_zeros(1, raw.shape[1], len(vertical), size[1])
                for one, (left, horizontal) in zip(raw, group, strict=True):
                    weight = vertical.to(raw)[:, None] * horizontal.to(raw)
                    kept[name][0, :, :, left : left + len(horizontal)] += one * weight
        for name, part in carried.items():
            kept[name][:, :, : part.shape[2]] += part
        finished = down[number + 1][0] - top if number + 1 < len(down) else len(vertical)
        yield slice(top, top + finished), {name: raw[:, :, :finished] for name, raw in kept.items()}
        kept = {name: raw[:, :, finished:].clone() for name, raw in kept.items()}
