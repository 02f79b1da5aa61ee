"""Sentences about the images of a split whose numbers are out of the ordinary."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

from taskscape.modalities.base import Array, Mask
from taskscape.serialization import agreeing


class Cases(NamedTuple):
    """The images of a split that something was found in. ``str`` gives how many there are, and the worst."""

    images: int
    """Number of these images."""
    of: int
    """Number of images that were measured."""
    name: str
    """The image with the largest number."""
    value: float
    """That number."""

    def __str__(self) -> str:
        """Return for example ``3 of 40 images, such as 0012``."""
        return f"{self.images} of {self.of} images, such as {self.name}"

    def agreeing(self, one: str, several: str) -> str:
        """Return the sentence's beginning with the verb that goes with it: ``1 of 40 images, such as 0012, is``."""
        return f"{self}, {agreeing(self.images, one, several)}"


def above(numbers: Mapping[str, float], threshold: float) -> Cases | None:
    """Return the images whose number is above a threshold; None where there are none."""
    found = {name: number for name, number in numbers.items() if number > threshold}
    if not found:
        return None
    worst = max(found, key=found.__getitem__)
    return Cases(len(found), len(numbers), worst, found[worst])


def changes(values: Array, valid: Mask, differ: Callable[[Array, Array], Mask]) -> Mask:
    """Return the pixels, (H, W), that differ from the one above or to the left, where both are valid."""
    found = np.zeros(valid.shape, np.bool_)
    found[1:] |= differ(values[1:], values[:-1]) & valid[1:] & valid[:-1]
    found[:, 1:] |= differ(values[:, 1:], values[:, :-1]) & valid[:, 1:] & valid[:, :-1]
    return found
