"""Random choices that are the same on every machine and with every version of NumPy."""

from collections.abc import Sequence
from itertools import chain
from typing import TypeVar

import numpy as np

from taskscape.streets.colors import Color

T = TypeVar("T")
_BLOCK = 2048


class Dice:
    """A stream of random choices.

    All values are derived from the raw 53-bit uniforms of PCG64, which NumPy guarantees never to change, by additions
    and multiplications only. Drawing them in blocks is ten times as fast as drawing them one by one.
    """

    def __init__(self, *key: int) -> None:
        self._generator = np.random.Generator(np.random.PCG64(np.random.SeedSequence(key)))
        self._next = chain.from_iterable(iter(self._block, None)).__next__

    def _block(self) -> list[float]:
        numbers: list[float] = self._generator.random(_BLOCK).tolist()
        return numbers

    def random(self) -> float:
        """Return a number in [0, 1)."""
        return self._next()

    def uniform(self, low: float, high: float) -> float:
        """Return a number in [low, high)."""
        return low + (high - low) * self._next()

    def chance(self, probability: float) -> bool:
        """Return true with this probability."""
        return self._next() < probability

    def integer(self, low: int, high: int) -> int:
        """Return an integer, ``low`` … ``high`` inclusive."""
        return low + int((high - low + 1) * self._next())

    def normal(self) -> float:
        """Return an approximately standard normal number within ±3, from the sum of three uniforms."""
        return 2 * (self._next() + self._next() + self._next()) - 3

    def choice(self, options: Sequence[T]) -> T:
        """Return one of ``options``."""
        return options[int(len(options) * self._next())]

    def weighted(self, options: dict[T, float]) -> T:
        """Return one of the keys, with probability proportional to its value."""
        remaining = self._next() * sum(options.values())
        for option, weight in options.items():
            remaining -= weight
            if remaining < 0:
                return option
        return option

    def shade(self, color: Color, spread: float = 0.2) -> Color:
        """Return ``color`` with a random change of brightness and a slight change of hue."""
        light = self.uniform(1 - spread, 1 + spread)
        red, green, blue = color
        hue = spread * 0.2
        return (
            min(red * light * self.uniform(1 - hue, 1 + hue), 1.0),
            min(green * light * self.uniform(1 - hue, 1 + hue), 1.0),
            min(blue * light * self.uniform(1 - hue, 1 + hue), 1.0),
        )

    def color(self, low: float = 0.03, high: float = 0.7) -> Color:
        """Return a random color, each channel in [low, high)."""
        return self.uniform(low, high), self.uniform(low, high), self.uniform(low, high)
