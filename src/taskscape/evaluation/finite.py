"""Predictions that are not finite are refused: a maximum over classes or a clamp of depths would hide them."""

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

from taskscape.distributed import all_reduce_sum

REMEDY = "such a network has no metrics: train it again with a lower --optimizer.lr, or with --precision fp32"


class NotFinite:
    """Counts the images for which a network puts out NaN or infinite numbers."""

    def __init__(self, tasks: Iterable[str], device: torch.device) -> None:
        self.counts = {name: torch.zeros((), device=device) for name in tasks}
        self.images = torch.zeros((), device=device)

    def update(self, final: Mapping[str, Tensor]) -> None:
        """Take a batch of raw outputs, (B, channels, H, W) for each task."""
        for name, count in self.counts.items():
            raw = final[name].detach()
            largest = raw.abs().amax(tuple(range(1, raw.dim())))  # NaN where a number is
            count += (~largest.isfinite()).sum()
        self.images += len(final[next(iter(self.counts))])

    def check(self) -> None:
        """Raise ``ValueError`` that names the tasks, on all processes alike. Every process must call it."""
        *counts, images = all_reduce_sum(torch.stack([*self.counts.values(), self.images])).tolist()
        found = [f"{name} in {count:.0f}" for name, count in zip(self.counts, counts, strict=True) if count]
        if found:
            where = ", ".join(found)
            raise ValueError(f"the network puts out NaN or infinity, of {images:.0f} images {where}; {REMEDY}")
