"""The axes of charts: from values to positions, and the values of their ticks."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

SMALLEST_SPAN = 0.2
"""An axis spans at least this share of its largest value, so it does not magnify small differences."""


@dataclass(frozen=True)
class Axis:
    """Maps values to positions 0..1 along one direction."""

    low: float
    high: float
    log: bool = False
    whole: bool = False
    """Put ticks at whole numbers only."""

    @classmethod
    def around(
        cls, values: Sequence[float], log: bool = False, margin: float = 0.05, smallest: float = SMALLEST_SPAN
    ) -> "Axis":
        """Return an axis that contains all values, with a relative margin; logarithmic only if all are positive.

        It spans at least the share ``smallest`` of the largest value, but is not extended across zero for that.
        """
        low, high = min(values), max(values)
        log = log and low > 0
        largest = max(abs(low), abs(high))
        if high - low < smallest * largest:
            middle = (low + high) / 2
            low, high = middle - smallest * largest / 2, middle + smallest * largest / 2
        if log:
            low, high = math.log10(low), math.log10(high)
        pad = margin * (high - low) if high > low else 0.1 * abs(high) or 1.0
        low, high = low - pad, high + pad
        return cls(10**low, 10**high, True) if log else cls(low, high)

    def position(self, value: float) -> float:
        """Return the position of a value, from 0 at the low end to 1 at the high end."""
        if self.log:
            return math.log(value / self.low) / math.log(self.high / self.low)
        return (value - self.low) / (self.high - self.low)

    def ticks(self, count: int = 5) -> list[float]:
        """Return about ``count`` round values."""
        if self.log:
            decades = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
            for steps in ((1, 2, 5), (1, 3), (1,)):
                ticks = [s * 10.0**d for d in decades for s in steps if self.low <= s * 10.0**d <= self.high]
                if len(ticks) <= count + 1:
                    break
            return ticks if len(ticks) > 1 else [self.low, self.high]
        rough = (self.high - self.low) / count
        unit = 10.0 ** math.floor(math.log10(rough))
        step = next(s * unit for s in (1, 2, 2.5, 5, 10) if s * unit >= rough)
        if self.whole:
            step = 1 if step < 1 else math.ceil(step)
        first, last = math.ceil(self.low / step), math.floor(self.high / step)
        return [i * step for i in range(first, last + 1)]


def spans_decades(values: Sequence[float]) -> bool:
    """Return whether a logarithmic axis shows these values better."""
    return min(values, default=0.0) > 0 and max(values) / min(values) > 20
