"""What a map of numbers means, whoever holds it: data, task, prediction or report.

A modality is a frozen dataclass of plain values. It stands in ``manifest.json`` and ``result.json`` as itself and
comes back from there. It knows what is numeric and nothing else; ``taskscape.views`` knows how to show it.
Importing a modality does not import torch, so that a report may read one.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt

from taskscape.batch import Target

if TYPE_CHECKING:
    from torch import Tensor

Array = npt.NDArray[Any]
Mask = npt.NDArray[np.bool_]
Counts = npt.NDArray[np.int64]


class Modality(ABC):
    """One kind of dense map: a number or a few at every pixel. A frozen dataclass of plain values."""

    name: ClassVar[str]
    """The word for it in files, under the key ``type``."""
    title: ClassVar[str] = ""
    """The word for it in a sentence, such as ``surface normals``; where it is empty, ``name``."""
    hub_task: ClassVar[str] = "other"
    """What the Hugging Face hub calls a model that predicts it, such as ``depth-estimation``."""
    dtype: ClassVar[str]
    """Of the stored array."""
    shape: ClassVar[tuple[int, ...]] = ()
    """What follows (N, H, W) in the stored array."""
    sentinel: ClassVar[int | None]
    """The stored value of pixels without a label; None where every pixel has a value."""

    def called(self, name: str) -> str:
        """Return what a task or field of that name is called for people: ``title``, unless a user gave it its name."""
        return self.title if self.title and name == self.name else name

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

        Raises ``ValueError`` where shapes disagree, a valid pixel holds an impossible value, or pixels lack a value
        that they must have.
        """
        if values.shape != valid.shape + self.shape:
            expected = valid.shape + self.shape
            raise ValueError(f"the values have shape {values.shape} instead of {expected}: resize or convert them")
        if valid.all():
            pixels = values.reshape(-1, *self.shape)
            self.check(pixels)
            return self.quantize(pixels).astype(self.dtype).reshape(values.shape)
        stored = self.empty(valid.shape)
        index = np.flatnonzero(valid)  # twice as fast as the mask
        pixels = values.reshape(-1, *self.shape).take(index, 0)
        self.check(pixels)
        stored.reshape(-1, *self.shape)[index] = self.quantize(pixels)
        return stored

    def empty(self, size: tuple[int, ...]) -> Array:
        """Return the stored form, (H, W) + ``shape``, of a label without a valid pixel.

        Raises ``ValueError`` where every pixel must have a value.
        """
        if self.sentinel is None:
            raise ValueError("every pixel needs a value: give this field with every sample, without a mask")
        return np.full((*size, *self.shape), self.sentinel, self.dtype)

    def quantize(self, values: Array) -> Array:
        """Return the stored form of checked values."""
        return values

    @abstractmethod
    def unpack(self, stored: "Tensor") -> Target:
        """Turn stored labels, (B, H, W) + ``shape``, into values and their mask: every pixel by itself.

        An augmentation moves the pixels before.
        """

    def to_array(self, values: "Tensor") -> Array:
        """Return values, shaped as ``Target.value``, in the form of samples: (B, H, W) + ``shape``, in main memory."""
        pixels = values if values.ndim == 3 else values.movedim(1, -1)
        array: Array = pixels.reshape(*pixels.shape[:3], *self.shape).cpu().numpy()
        return array

    def as_label(self, values: Array) -> Array:
        """Return a prediction, (H, W) + ``shape``, as what a store may keep as a label; the same unless overridden."""
        return values

    def beside(self, values: Array, label: Array, known: Mask) -> Array:
        """Return a prediction, (H, W) + ``shape``, in the unit of a label that some pixels of the image have.

        ``known`` says which, (H, W); the same unless overridden.
        """
        return values

    def conversion_to(self, other: "Modality", how: str = "") -> Callable[[Target], Target]:
        """Return what turns a label of this modality into one of another, so that data of both are used together.

        ``how`` says which class becomes which, for a modality with classes (``class_maps.class_table``). Raises
        ``ValueError`` where there is no such conversion; unless overridden, only an equal modality has one.
        """
        if self != other:
            raise ValueError(f"it is {self}, and {other} in other data: leave one of them out")
        return _unchanged

    def lost_in(self, other: "Modality", how: str = "") -> tuple[str, ...]:
        """Return the classes, or other things, without a place in the other modality. Raises as ``conversion_to``."""
        return ()

    # -- geometry ------------------------------------------------------------------------------------------------------

    def warp(self, value: "Tensor", motion: "Tensor", depth_ratio: "Tensor") -> "Tensor":
        """Return what values become when camera space moves, p → ``motion`` @ p. Pixels have been moved already.

        ``value`` is (B, H, W) or (B, C, H, W); ``motion`` is (B, 3, 3); ``depth_ratio``, (B, 1, H, W) or
        (B, 1, 1, 1), is what the motion divides each pixel's depth by. A horizontal flip is the motion diag(-1, 1, 1).
        """
        return value

    # -- image-blind baselines -----------------------------------------------------------------------------------------

    def accumulate(self, target: Target) -> "Tensor":
        """Return what ``average`` needs of a batch, summed over its images: (n, H, W) float64, 0 without labels.

        Unless overridden, of values (B, C, H, W): their sums, and the number of labels.
        """
        import torch

        valid = target.valid.unsqueeze(1)
        return torch.cat([target.value.masked_fill(~valid, 0), valid.to(target.value.dtype)], 1).double().sum(0)

    def average(self, sums: "Tensor") -> "Tensor":
        """Return the typical value of each position from ``accumulate``'s sums: shaped as one ``Target.value``.

        Unless overridden, the mean.
        """
        return sums[:-1] / sums[-1:].clamp(min=1)

    # -- statistics, for ``taskscape data check`` ----------------------------------------------------------------------

    @property
    def bins(self) -> tuple[str, ...]:
        """The names of the bins of ``histogram``; none for a modality without a histogram."""
        return ()

    def histogram(self, values: Array) -> Counts:
        """Return how many of the valid pixels' values, (pixels,) + ``shape``, fall into each bin.

        Counts of what fits in no bin may follow, for ``implausible`` to judge.
        """
        return np.zeros(len(self.bins), np.int64)

    def median(self, values: Array) -> float | None:
        """Return the median of one image's valid values, (pixels,) + ``shape``; None where that means nothing."""
        return None

    def implausible(self, counts: Counts, median: float | None) -> list[str]:
        """Return what is implausible about a split with labels, in sentences with the remedy.

        ``counts`` is the sum of the images' histograms, ``median`` the median of their medians.
        """
        return []

    def observe(self, values: Array, valid: Mask) -> dict[str, float]:
        """Return numbers about one image's label, (H, W) + ``shape`` with a valid pixel, by what they measure.

        ``judge`` gets them; a number that says nothing of this image is left out.
        """
        return {}

    def relate(self, values: Array, valid: Mask, other: "Modality", known: tuple[Array, Mask]) -> dict[str, float]:
        """Return numbers about one image's label together with another field's of the image, as ``observe`` does.

        ``known`` are the values of the ``other`` modality and their mask.
        """
        return {}

    def judge(self, observed: Mapping[str, Mapping[str, float]]) -> list[str]:
        """Return what is implausible about images of a split, in sentences with numbers, an image and the remedy.

        ``observed`` has every number of ``observe`` and ``relate`` by its name and then by the image's name.
        """
        return []

    def remark(self, observed: Mapping[str, Mapping[str, float]]) -> list[str]:
        """Return what is worth knowing about images of a split and no fault, in sentences; ``observed`` as above."""
        return []

    def vanished(self, before: tuple[Array, Mask], after: tuple[Array, Mask]) -> dict[str, tuple[int, int]]:
        """Return what one label lost when it was resized: per thing its pixels before, and those that are lost.

        ``before`` and ``after`` are (H', W') and (H, W) values, each with its mask. A pixel is lost where the nine
        pixels around its place have nothing of its thing any more.
        """
        return {}

    def judge_vanished(self, vanished: Mapping[str, tuple[int, int]]) -> list[str]:
        """Return what is implausible about the sum of a split's ``vanished``, in sentences with the remedy."""
        return []

    def edges(self, values: Array, valid: Mask) -> Mask | None:
        """Return where one image's label, (H, W) + ``shape``, has edges that the image should have too, (H, W).

        None for a modality without.
        """
        return None

    def compare(self, counts: Mapping[str, Counts]) -> list[str]:
        """Return what is implausible about the splits with labels together, in sentences with the remedy.

        ``counts`` is the sum of the images' histograms of each split.
        """
        return []


def _unchanged(target: Target) -> Target:
    return target
