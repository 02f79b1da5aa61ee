"""What a map of numbers means, whoever holds it: data, task, prediction or report.

A modality is a frozen dataclass of plain values. It stands in ``manifest.json`` and ``result.json`` as itself and
comes back from there. It knows what is numeric and nothing else; how it is shown is the matter of ``taskscape.views``.
Importing a modality does not import torch, so that a report may read one.
"""

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt

from taskscape.batch import Target

if TYPE_CHECKING:
    from torch import Tensor

Array = npt.NDArray[Any]
Mask = npt.NDArray[np.bool_]


class Modality(ABC):
    """One kind of dense map: a number or a few at every pixel. A frozen dataclass of plain values."""

    name: ClassVar[str]
    """The word for it in files, under the key ``type``."""
    dtype: ClassVar[str]
    """Of the stored array."""
    shape: ClassVar[tuple[int, ...]] = ()
    """What follows (N, H, W) in the stored array."""
    sentinel: ClassVar[int | None]
    """The stored value of pixels without a label; None where every pixel has a value."""

    @property
    @abstractmethod
    def unit(self) -> str:
        """What one step of the *values* is: ``metre``, ``class id``, ``unit vector``, …"""

    # -- between samples and stores ------------------------------------------------------------------------------------

    @abstractmethod
    def check(self, values: Array) -> None:
        """Raise ``ValueError`` with the remedy unless the valid pixels' values, (pixels,) + ``shape``, are possible."""

    def pack(self, values: Array, valid: Mask) -> Array:
        """Return the stored form, (H, W) + ``shape``, of one label.

        Raises ``ValueError`` where shapes disagree or a valid pixel holds an impossible value.
        """
        if values.shape != valid.shape + self.shape:
            raise ValueError(
                f"the label has shape {values.shape}, its image asks for {valid.shape + self.shape}: resize one of them"
            )
        self.check(values[valid])
        stored = np.full(values.shape, self.sentinel if self.sentinel is not None else 0, self.dtype)
        stored[valid] = self.quantize(values[valid])
        return stored

    def quantize(self, values: Array) -> Array:
        """Return the stored form of checked values."""
        return values

    @abstractmethod
    def unpack(self, stored: "Tensor") -> Target:
        """Turn stored labels, (B, H, W) + ``shape``, into values and their mask."""

    # -- geometry ------------------------------------------------------------------------------------------------------

    def warp(self, value: "Tensor", motion: "Tensor", depth_ratio: "Tensor") -> "Tensor":
        """Return what values become when camera space moves, p → ``motion`` @ p. Pixels have been moved already.

        ``value`` is (B, H, W) or (B, C, H, W); ``motion`` is (B, 3, 3); ``depth_ratio``, (B, 1, H, W) or
        (B, 1, 1, 1), is what the motion divides each pixel's depth by. A horizontal flip is the motion diag(-1, 1, 1).
        """
        return value

    # -- image-blind baselines -----------------------------------------------------------------------------------------

    @abstractmethod
    def accumulate(self, target: Target) -> "Tensor":
        """Return what ``average`` needs of a batch, summed over its images: (n, H, W) float64, 0 without labels."""

    @abstractmethod
    def average(self, sums: "Tensor") -> "Tensor":
        """Return the typical value of each position from ``accumulate``'s sums: shaped as one ``Target.value``."""
