"""Sentences about the images of a split whose numbers are out of the ordinary."""

from collections.abc import Mapping
from typing import NamedTuple


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


def above(numbers: Mapping[str, float], threshold: float) -> Cases | None:
    """Return the images whose number is above a threshold; None where there are none."""
    found = {name: number for name, number in numbers.items() if number > threshold}
    if not found:
        return None
    worst = max(found, key=found.__getitem__)
    return Cases(len(found), len(numbers), worst, found[worst])
