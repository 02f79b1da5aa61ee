"""Check that labels are not displaced against their images by a few pixels.

The contrast of the images under the edges of their labels is greatest where the labels lie, and falls off in every
direction. Its mean over all images, as a function of a displacement of the labels, is a cross-correlation. For
photographs with correct labels, its maximum is at most one pixel from zero.
"""

import numpy as np
import numpy.typing as npt

from taskscape.data.contrast import Contrast
from taskscape.modalities.base import Mask
from taskscape.serialization import counted

REACH = 8
"""Largest displacement that is found, in pixels; in small images, an eighth of the shorter side."""
GAIN = 0.2
"""Least gain in contrast, in units of the images' mean, by which labels fit better when they are displaced."""


class Displacement:
    """Accumulator of the contrast under displaced edges of a split's labels."""

    def __init__(self) -> None:
        self._names: list[str] = []
        self._shape = (0, 0)
        self._product: npt.NDArray[np.complex128] = np.zeros((), np.complex128)
        """Cross-spectrum of edges and contrast, summed over the images."""
        self._count = 0
        """Number of edge pixels."""

    def add(self, name: str, contrast: Contrast, edges: Mask) -> None:
        """Add the contrast of an image and the mask of its label's edges; all images must have one size."""
        self._names.append(name)
        self._shape = height, width = edges.shape
        reach = self._reach
        inside = np.zeros(edges.shape, np.float32)  # edges that stay in the image however they are displaced
        inner = slice(reach, height - reach), slice(reach, width - reach)
        inside[inner] = edges[inner]
        self._product = self._product + np.conj(np.fft.rfft2(inside)) * contrast.spectrum
        self._count += int(np.count_nonzero(inside))

    def warnings(self) -> list[str]:
        """Return a warning if the labels clearly fit their images better where they are not."""
        if self._reach < 2 or len(self._names) < 2 or not self._count:
            return []
        reach = self._reach
        sums = np.fft.irfft2(self._product, s=self._shape)
        means = np.roll(sums, (reach, reach), (0, 1))[: 2 * reach + 1, : 2 * reach + 1] / self._count
        row, column = np.unravel_index(means.argmax(), means.shape)
        down, right = int(row) - reach, int(column) - reach
        # Some ten neighboring pixels of an edge count as one observation, of a contrast that varies by its mean, 1.
        by_chance = 3 * np.sqrt(10 / self._count)
        # Edges that are unrelated to the images lie on less than the mean contrast, displaced or not.
        gain = means[row, column] - max(1, means[reach, reach]) - by_chance
        if max(abs(down), abs(right)) < 2 or gain < GAIN:
            return []
        return [
            f"the labels of {counted(len(self._names), 'image', 'images')}, such as {self._names[0]}, fit the images "
            f"better when they are moved by {_in_words(down, right)}: check whether only one of both was cropped, "
            "padded or corrected for the lens, or comes from another camera"
        ]

    @property
    def _reach(self) -> int:
        return min(REACH, min(self._shape) // 8)


def _in_words(down: int, right: int) -> str:
    """Return for example ``3 pixels down and 1 pixel to the left``."""
    directions = ((down, "down", "up"), (right, "to the right", "to the left"))
    return " and ".join(
        f"{counted(abs(number), 'pixel', 'pixels')} {positive if number > 0 else negative}"
        for number, positive, negative in directions
        if number
    )
