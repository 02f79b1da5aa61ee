"""Which blocks of a network stay in float32, so that the values of int8 stay close enough."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from taskscape.export.int8.images import Image
from taskscape.export.int8.quantize import Array, Run

CLASSES = 0.01
"""Largest share of pixels that may have another class."""
VALUES = 0.03
"""Largest mean difference of other values, relative to the mean of their absolute values."""
SECONDS = 240.0
"""After which no further block is tried."""

Differences = Mapping[str, float]
"""By task: the share of pixels of another class, or the mean relative difference of values."""


@dataclass(frozen=True)
class Found:
    """What a search ended with."""

    floating: tuple[str, ...]
    """Blocks that stay in float32, the most sensitive first."""
    differences: Differences
    """With these in float32."""
    holds: bool
    """Whether all differences are within their bounds."""
    before: Differences
    """With no block in float32."""


class Comparison:
    """The values of float32 for some images, for comparing others with."""

    def __init__(self, tasks: Sequence[str], run: Run, images: Sequence[Image]) -> None:
        """Compute the images."""
        self.tasks, self.images = tasks, images
        self.expected = [run(image) for image in images]
        whole = [not np.issubdtype(values.dtype, np.floating) for values in self.expected[0]]
        self.is_whole = dict(zip(tasks, whole, strict=True))
        self.bounds = {task: CLASSES if ids else VALUES for task, ids in self.is_whole.items()}

    def differences(self, run: Run) -> dict[str, float]:
        """Return how far the values are from the expected ones, the mean over the images."""
        each = [
            [_difference(*pair) for pair in zip(expected, run(image), strict=True)]
            for expected, image in zip(self.expected, self.images, strict=True)
        ]
        return dict(zip(self.tasks, map(float, np.mean(each, 0)), strict=True))

    def excess(self, differences: Differences) -> float:
        """Return by which part of their bounds differences are too large, summed over the tasks."""
        return sum(max(differences[task] / bound - 1, 0.0) for task, bound in self.bounds.items())


def _difference(expected: Array, found: Array) -> float:
    if not np.issubdtype(expected.dtype, np.floating):
        return float((expected != found).mean())
    return float(np.abs(expected - found).mean() / (np.abs(expected).mean() or 1))


def search(
    blocks: Sequence[str],
    differences: Callable[[Sequence[str]], Differences],
    comparison: Comparison,
    seconds: float = SECONDS,
) -> Found:
    """Leave blocks in float32 until all differences are within their bounds.

    Blocks are ranked by what each saves alone, and taken in this order where one still helps with those taken before,
    as NNCF's accuracy control does it (Intel). ``differences`` computes them with these blocks in float32. It ends
    where all bounds hold, where no block helps, or after ``seconds``, half of them for the ranking.
    """
    until, ranked_until = time.monotonic() + seconds, time.monotonic() + seconds / 2
    before = best = differences(())
    if comparison.excess(before) == 0:
        return Found((), before, True, before)
    alone = {}
    for block in _middle_last(blocks):
        if time.monotonic() > ranked_until:
            break
        alone[block] = comparison.excess(differences([block]))
    floating: tuple[str, ...] = ()
    for block in sorted(alone, key=lambda name: alone[name]):
        if alone[block] >= comparison.excess(before) or time.monotonic() > until:
            break
        tried = differences([*floating, block])
        if comparison.excess(tried) < comparison.excess(best):
            floating, best = (*floating, block), tried
        if comparison.excess(best) == 0:
            break
    return Found(floating, best, comparison.excess(best) == 0, before)


def _middle_last(blocks: Sequence[str]) -> Iterator[str]:
    """Return blocks from both ends to the middle: the first and the last are the likeliest to be sensitive."""
    for position in range((len(blocks) + 1) // 2):
        yield blocks[position]
        if len(blocks) - 1 - position != position:
            yield blocks[len(blocks) - 1 - position]
