"""Checks for outputs that are not finite, which a maximum over classes or a clamp of depth would hide."""

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

from taskscape.distributed import all_reduce_sum

_REMEDY = "train it again with a lower --optimizer.lr, or with --precision fp32"


def require_finite(outputs: Mapping[str, Tensor]) -> None:
    """Raise ``ValueError`` that names the tasks with NaN or infinity in their raw outputs, (B, channels, H, W)."""
    faults = [name for name, raw in outputs.items() if not _are_finite(raw).all()]
    if faults:
        raise ValueError(f"the network outputs NaN or infinity for {', '.join(faults)}: {_REMEDY}")


class NotFinite:
    """Counts the images for which a network outputs NaN or infinity."""

    def __init__(self, tasks: Iterable[str], device: torch.device) -> None:
        self.counts = {name: torch.zeros((), device=device) for name in tasks}
        self.images = torch.zeros((), device=device)

    def update(self, final: Mapping[str, Tensor]) -> None:
        """Update with a batch of raw outputs, (B, channels, H, W) for each task."""
        for name, count in self.counts.items():
            count += (~_are_finite(final[name].detach())).sum()
        self.images += len(final[next(iter(self.counts))])

    def check(self) -> None:
        """Raise ``ValueError`` that names the tasks, on every process. Every process must call it."""
        *counts, images = all_reduce_sum(torch.stack([*self.counts.values(), self.images])).tolist()
        faults = [f"{name} in {count:.0f}" for name, count in zip(self.counts, counts, strict=True) if count]
        if faults:
            listed = ", ".join(faults)
            raise ValueError(
                f"the network outputs NaN or infinity ({listed} of {images:.0f} images), so its metrics are undefined: "
                f"{_REMEDY}"
            )


def _are_finite(raw: Tensor) -> Tensor:
    """Return a mask, (B,), of the images of which all values, (B, channels, H, W), are finite."""
    largest = raw.abs().amax(tuple(range(1, raw.dim())))  # NaN if any value is NaN
    return largest.isfinite()
