"""Axes of a sweep: lists of values, or ranges of numbers."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

SEED = "seed"
"""The axis of repetitions: runs that differ only on this axis are averaged."""


@dataclass(frozen=True)
class Point:
    """One value of an axis, set by command-line arguments."""

    label: str
    words: tuple[str, ...]
    """The arguments of ``taskscape train`` that set the value."""


@dataclass(frozen=True)
class Values:
    """An axis of listed values. Raises ``ValueError`` if there are none."""

    name: str
    points: Sequence[Point]

    def __post_init__(self) -> None:
        if not self.points:
            raise ValueError(f"{self.name}: name at least one value")


@dataclass(frozen=True)
class Range:
    """An axis of all numbers between two bounds, for a search; integers only if ``whole``.

    Raises ``ValueError`` for an empty range.
    """

    name: str
    flag: str
    """The flag that sets the number, with its leading dashes."""
    low: float
    high: float
    whole: bool = False

    def __post_init__(self) -> None:
        if not (math.isfinite(self.low) and self.low < self.high < math.inf):
            raise ValueError(
                f"{self.name}: {self.low:g}..{self.high:g} is not a range: give two finite numbers, the smaller first"
            )

    @property
    def points(self) -> Sequence[Point]:
        """The points of its two ends."""
        return self.point(self.low), self.point(self.high)

    @property
    def log(self) -> bool:
        """Whether numbers are drawn on a logarithmic scale: if the range is positive and spans at least a decade."""
        return self.low > 0 and self.high / self.low >= 10

    def point(self, number: float) -> Point:
        """Return the point of a number, rounded to four significant digits."""
        text = str(int(number)) if self.whole else f"{number:.4g}"
        return Point(text, (self.flag, text))


Axis = Values | Range
