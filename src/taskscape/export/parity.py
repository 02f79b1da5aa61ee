"""What an exported file computes, beside what the network computes."""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from taskscape.evaluation import seconds_of
from taskscape.export.formats import Compute

BOUND = 1e-4
"""Largest difference of floating-point values that is no error, relative to the largest value of a task."""
EQUAL = 0.999
"""Smallest share of pixels whose class is the same."""


@dataclass(frozen=True)
class Parity:
    """How far the values of one task are from those of the network, over all images."""

    largest: float
    """Largest difference, relative to the largest value; of class ids the share of pixels that differ."""
    mean: float
    """Mean difference, relative to the mean of the absolute values; of class ids as above."""
    whole: bool
    """Whether values are class ids."""

    @property
    def holds(self) -> bool:
        """Whether the file may stand for the network."""
        return self.largest <= (1 - EQUAL if self.whole else BOUND)

    def __str__(self) -> str:
        if self.whole:
            return f"{100 * (1 - self.largest):.3f} % of the pixels have the same class"
        return f"largest difference {self.largest:.1e} of the largest value, mean {self.mean:.1e}"


@torch.no_grad()
def compare(network: Compute, file: Compute, images: Iterable[Tensor], tasks: list[str]) -> dict[str, Parity]:
    """Return the parity of every task over images of any sizes. Raises ``ValueError`` where shapes differ."""
    worst: dict[str, Parity] = {}
    for image in images:
        for name, expected, found in zip(tasks, network(image), file(image), strict=True):
            if expected.shape != found.shape:
                raise ValueError(f"{name} is {tuple(found.shape)} instead of {tuple(expected.shape)}")
            now, before = _parity(expected, found), worst.get(name)
            worst[name] = (
                now
                if before is None
                else Parity(max(now.largest, before.largest), max(now.mean, before.mean), now.whole)
            )
    return worst


def _parity(expected: Tensor, found: Tensor) -> Parity:
    if not expected.is_floating_point():
        share = float((expected != found).float().mean())
        return Parity(share, share, whole=True)
    difference = (expected - found).abs()
    largest, mean = float(expected.abs().max()), float(expected.abs().mean())
    return Parity(float(difference.max()) / (largest or 1), float(difference.mean()) / (mean or 1), whole=False)


def speeds(network: Compute, file: Compute, image: Tensor) -> tuple[float, float]:
    """Return the seconds that network and file take for an image, in turns."""
    found = seconds_of({"network": lambda: network(image), "file": lambda: file(image)}, torch.device("cpu"))
    return found["network"], found["file"]
