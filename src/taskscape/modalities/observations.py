"""Helpers for reporting images with unusual statistics, and for finding edges in labels."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

from taskscape.modalities.base import Array, Mask
from taskscape.serialization import agreeing


class Cases(NamedTuple):
    """The images of a split with a certain problem. ``str`` gives their number and the worst image."""

    images: int
    """Number of images with the problem."""
    of: int
    """Number of images measured."""
    name: str
    """The image with the largest value."""
    value: float
    """The largest value."""

    def __str__(self) -> str:
        """Return for example ``3 of 40 images, such as 0012``."""
        return f"{self.images} of {self.of} images, such as {self.name}"

    def agreeing(self, one: str, several: str) -> str:
        """Return the start of a sentence with the verb in agreement: ``1 of 40 images, such as 0012, is``."""
        return f"{self}, {agreeing(self.images, one, several)}"


def above(numbers: Mapping[str, float], threshold: float) -> Cases | None:
    """Return the images with a number above the threshold; None if there are none."""
    exceeding = {name: number for name, number in numbers.items() if number > threshold}
    if not exceeding:
        return None
    worst = max(exceeding, key=exceeding.__getitem__)
    return Cases(len(exceeding), len(numbers), worst, exceeding[worst])


def changes(values: Array, valid: Mask, differ: Callable[[Array, Array], Mask]) -> Mask:
    """Return a mask, (H, W), of pixels that differ from the one above or to the left, where both are valid."""
    changed = np.zeros(valid.shape, np.bool_)
    changed[1:] |= differ(values[1:], values[:-1]) & valid[1:] & valid[:-1]
    changed[:, 1:] |= differ(values[:, 1:], values[:, :-1]) & valid[:, 1:] & valid[:, :-1]
    return changed
