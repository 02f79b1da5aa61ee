"""What a sweep varies: an axis is a list of values, or a range of numbers."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

SEED = "seed"
"""The axis of repetitions: runs that differ in nothing else are averaged."""


@dataclass(frozen=True)
class Point:
    """One value of an axis: a command line sets it."""

    label: str
    words: tuple[str, ...]
    """The arguments of ``taskscape train`` that set it."""


@dataclass(frozen=True)
class Values:
    """An axis of some values. Raises ``ValueError`` without one."""

    name: str
    points: Sequence[Point]

    def __post_init__(self) -> None:
        if not self.points:
            raise ValueError(f"{self.name}: name at least one value")


@dataclass(frozen=True)
class Range:
    """An axis of all numbers between two, for a search; in steps of one if they are ``whole``.

    Raises ``ValueError`` for an empty range.
    """

    name: str
    flag: str
    """The flag that sets the number, with its dashes."""
    low: float
    high: float
    whole: bool = False

    def __post_init__(self) -> None:
        if not (math.isfinite(self.low) and self.low < self.high < math.inf):
            raise ValueError(f"{self.name}: {self.low:g}..{self.high:g} is no range; the first number is the smaller")

    @property
    def log(self) -> bool:
        """Whether numbers are drawn evenly by their logarithm: the range is positive and spans a decade."""
        return self.low > 0 and self.high / self.low >= 10

    def point(self, number: float) -> Point:
        """Return the point of a number, of which four digits count."""
        text = str(int(number)) if self.whole else f"{number:.4g}"
        return Point(text, (self.flag, text))


Axis = Values | Range
