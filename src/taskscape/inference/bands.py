"""Resize large images and raw outputs in bands of rows, so that intermediate results fit into memory."""

from collections.abc import Iterator, Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

from taskscape.models.images import unit_range

VALUES = 1 << 26
"""Maximum number of values computed at a time; 256 MiB of float32."""


def scaled(rgb: Tensor, size: tuple[int, int]) -> Tensor:
    """Return (B, H, W, 3) uint8 images as (B, 3, h, w) in 0..1 at this size, averaged down or interpolated up."""
    if rgb.shape[1:3] == size:
        return unit_range(rgb.movedim(-1, 1))
    if rgb.numel() <= VALUES:
        return _resize(unit_range(rgb.movedim(-1, 1)), size)
    rows = max(VALUES // (rgb.numel() // rgb.shape[1]), 1)
    narrow = [  # the filter is separable: resize the width first, one band of rows at a time
        _resize(unit_range(band.movedim(-1, 1)), (band.shape[1], size[1])) for band in rgb.split(rows, 1)
    ]
    return _resize(torch.cat(narrow, 2), size)


def enlarged(raws: Mapping[str, Tensor], size: tuple[int, int]) -> Iterator[tuple[slice, dict[str, Tensor]]]:
    """Yield raw outputs, (1, channels, h, w), interpolated to the size of the image, in bands of rows."""
    height, width = size
    channels = max(raw.shape[1] for raw in raws.values())
    count = max(VALUES // (channels * width), 1)
    for top in range(0, height, count):
        rows = slice(top, min(top + count, height))
        yield rows, {name: rows_of(raw, size, rows) for name, raw in raws.items()}


def rows_of(raw: Tensor, size: tuple[int, int], rows: slice) -> Tensor:
    """Return the given rows of ``F.interpolate(raw, size)``."""
    if raw.shape[-2:] == size:
        return raw[:, :, rows]
    if rows == slice(0, size[0]):
        return F.interpolate(raw, size, mode="bilinear")
    height = raw.shape[2]
    row = (torch.arange(rows.start, rows.stop, device=raw.device, dtype=torch.float64) + 0.5) * height / size[0] - 0.5
    row = row.clamp_min(0)
    above = row.floor().long().clamp_max(height - 1)
    below = (above + 1).clamp_max(height - 1)
    weight = (row - above).to(raw)[:, None]
    band = torch.lerp(raw[:, :, above], raw[:, :, below], weight)
    return F.interpolate(band, (len(row), size[1]), mode="bilinear")


def _resize(image: Tensor, size: tuple[int, int]) -> Tensor:
    return F.interpolate(image, size, mode="bilinear", antialias=True)
