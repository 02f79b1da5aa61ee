"""Search for the blocks of a network that must stay in float32 to keep the outputs of int8 accurate."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from taskscape.export.int8.images import Image
from taskscape.export.onnx_file import Run

CLASSES = 0.01
"""Maximum share of pixels with a different class."""
VALUES = 0.03
"""Maximum mean difference of other values, relative to the mean of their absolute values."""
SECONDS = 240.0
"""Default time limit, in seconds, after which no further block is tried."""

Differences = Mapping[str, float]
"""By task, the share of pixels with a different class, or the mean relative difference of values."""


@dataclass(frozen=True)
class SearchResult:
    """The result of a search."""

    floating: tuple[str, ...]
    """Blocks that stay in float32, starting with the most sensitive."""
    differences: Differences
    """Differences with these blocks in float32."""
    holds: bool
    """Whether all differences are within their bounds."""
    before: Differences
    """Differences with no block in float32."""


class Comparison:
    """Compares outputs for some images with those of float32."""

    def __init__(self, tasks: Sequence[str], run: Run, images: Sequence[Image]) -> None:
        """Compute the outputs of float32 for the images."""
        self.tasks, self.images = tasks, images
        self.expected = [run(image) for image in images]
        whole = [not np.issubdtype(values.dtype, np.floating) for values in self.expected[0]]
        self.is_whole = dict(zip(tasks, whole, strict=True))
        self.bounds = {task: CLASSES if ids else VALUES for task, ids in self.is_whole.items()}

    def differences(self, run: Run) -> dict[str, float]:
        """Return the differences from the expected outputs, averaged over the images."""
        each = [
            [_difference(*pair) for pair in zip(expected, run(image), strict=True)]
            for expected, image in zip(self.expected, self.images, strict=True)
        ]
        return dict(zip(self.tasks, map(float, np.mean(each, 0)), strict=True))

    def excess(self, differences: Differences) -> float:
        """Return by what share of their bounds the differences are too large, summed over the tasks."""
        return sum(max(differences[task] / bound - 1, 0.0) for task, bound in self.bounds.items())


def _difference(expected: npt.NDArray[Any], actual: npt.NDArray[Any]) -> float:
    if not np.issubdtype(expected.dtype, np.floating):
        return float((expected != actual).mean())
    return float(np.abs(expected - actual).mean() / (np.abs(expected).mean() or 1))


def search(
    blocks: Sequence[str],
    differences: Callable[[Sequence[str]], Differences],
    comparison: Comparison,
    seconds: float = SECONDS,
) -> SearchResult:
    """Leave blocks in float32 until all differences are within their bounds.

    Blocks are ranked by the improvement that each gives alone. In this order, those that still help in addition to the
    previous ones are kept in float32, as in the accuracy control of NNCF (Intel). ``differences`` computes the
    differences with the given blocks in float32. The search ends when all bounds hold, when no block helps, or after
    ``seconds``, half of which are for the ranking.
    """
    deadline, ranking_deadline = time.monotonic() + seconds, time.monotonic() + seconds / 2
    initial = best = differences(())
    if comparison.excess(initial) == 0:
        return SearchResult((), initial, True, initial)
    excess = {}
    for block in _middle_last(blocks):
        if time.monotonic() > ranking_deadline:
            break
        excess[block] = comparison.excess(differences([block]))
    floating: tuple[str, ...] = ()
    for block in sorted(excess, key=lambda name: excess[name]):
        if excess[block] >= comparison.excess(initial) or time.monotonic() > deadline:
            break
        candidate = differences([*floating, block])
        if comparison.excess(candidate) < comparison.excess(best):
            floating, best = (*floating, block), candidate
        if comparison.excess(best) == 0:
            break
    return SearchResult(floating, best, comparison.excess(best) == 0, initial)


def _middle_last(blocks: Sequence[str]) -> Iterator[str]:
    """Yield blocks from both ends to the middle, since the first and last ones are most likely to be sensitive."""
    for position in range((len(blocks) + 1) // 2):
        yield blocks[position]
        if len(blocks) - 1 - position != position:
            yield blocks[len(blocks) - 1 - position]
