"""Compare the outputs of an exported file with those of the network."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import astuple, dataclass

import numpy as np
import torch
from torch import Tensor

from taskscape.evaluation import seconds_of
from taskscape.export.formats import Compute

BOUND = 1e-4
"""Maximum difference of floating-point values, relative to the largest value of a task."""
EQUAL = 0.999
"""Minimum share of pixels with the same class."""
STEADY = 0.5
"""Minimum share of pixels that can be compared (``steadiness``)."""

Masks = Callable[[Tensor], list[Tensor]]
"""Maps an image to the (1, H, W) bool mask of the compared pixels of every output."""


@dataclass(frozen=True)
class Parity:
    """Differences of one output from that of the network, over all images."""

    largest: float
    """Largest difference, relative to the largest value; for class ids, the share of pixels that differ."""
    mean: float
    """Mean difference, relative to the mean of the absolute values; for class ids, as ``largest``."""
    whole: bool
    """Whether values are class ids."""
    absolute: float = 0.0
    """Largest difference in the unit of the task; 0 for class ids."""
    compared: float = 1.0
    """Share of compared pixels: those where the network's values are stable (``steadiness``)."""

    @property
    def holds(self) -> bool:
        """Whether the file can replace the network."""
        return self.agrees and self.compared >= STEADY

    @property
    def agrees(self) -> bool:
        """Whether the compared values are those of the network, within the bounds."""
        return self.largest <= (1 - EQUAL if self.whole else BOUND)

    @classmethod
    def worst(cls, images: Sequence["Parity"]) -> "Parity":
        """Return the largest differences of several images, NaN if one is NaN, and the smallest share of pixels."""
        largest, mean, _, absolute, compared = zip(*map(astuple, images), strict=True)
        return cls(_max(largest), _max(mean), images[0].whole, _max(absolute), min(compared))

    def __str__(self) -> str:
        left_out = f"; {100 * (1 - self.compared):.2g} % of the pixels depend on a tie and are left out"
        left_out = left_out if self.compared < 1 else ""
        if self.whole:
            return f"{100 * (1 - self.largest):.3f} % of the pixels have the same class{left_out}"
        return f"largest difference {self.largest:.1e} of the largest value, mean {self.mean:.1e}{left_out}"


@torch.no_grad()
def compare(
    expected: Iterable[Sequence[Tensor]],
    file: Compute,
    images: Sequence[Tensor],
    outputs: Sequence[str],
    masks: Masks | None = None,
) -> dict[str, Parity]:
    """Return the parity of every output over images of any sizes, given the network's outputs for each image.

    ``masks`` select the pixels to compare. Raises ``ValueError`` if shapes differ.
    """
    parities: dict[str, list[Parity]] = {name: [] for name in outputs}
    for image, references in zip(images, expected, strict=True):
        actual = file(image)
        pixel_masks = masks(image) if masks is not None else [None] * len(actual)
        for name, reference, output, mask in zip(outputs, references, actual, pixel_masks, strict=True):
            if reference.shape != output.shape:
                raise ValueError(f"{name} is {tuple(output.shape)} instead of {tuple(reference.shape)}")
            parities[name].append(_parity(reference, output, mask))
    return {name: Parity.worst(of_images) for name, of_images in parities.items()}


def _parity(expected: Tensor, actual: Tensor, mask: Tensor | None) -> Parity:
    share = 1.0 if mask is None else float(mask.float().mean())
    if not expected.is_floating_point():
        different = expected != actual
        different = different if mask is None else different & mask
        rate = float(different.float().mean())
        return Parity(rate, rate, whole=True, compared=share)
    difference = (expected - actual).abs()
    if mask is not None:
        difference = difference * mask.unsqueeze(1)
    largest, mean = float(expected.abs().max()), float(expected.abs().mean())
    max_difference = float(difference.max())
    return Parity(max_difference / (largest or 1), float(difference.mean()) / (mean or 1), False, max_difference, share)


def _max(values: Sequence[float]) -> float:
    """Return the largest value, NaN if one is NaN, which ``max`` may leave out."""
    return float(np.max(values))


def speeds(network: Compute, file: Compute, image: Tensor) -> tuple[float, float]:
    """Return the seconds per image of the network and the file, measured alternately."""
    seconds = seconds_of({"network": lambda: network(image), "file": lambda: file(image)}, torch.device("cpu"))
    return seconds["network"], seconds["file"]
