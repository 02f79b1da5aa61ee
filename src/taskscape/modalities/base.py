"""The base class of modalities: what the numbers of a map mean in data, tasks, predictions and reports.

A modality is a frozen dataclass of plain values. It is written to ``manifest.json`` and ``result.json`` and read back
from them. It defines only numeric behavior; ``taskscape.views`` handles visualization. Importing a modality does not
import torch, so reports can read one.
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
    """A kind of dense map with one or more numbers per pixel. Subclasses are frozen dataclasses of plain values."""

    name: ClassVar[str]
    """The name in files, under the key ``type``."""
    title: ClassVar[str] = ""
    """The name in a sentence, such as ``surface normals``; if empty, ``name``."""
    hub_task: ClassVar[str] = "other"
    """The Hugging Face hub's name for models that predict this modality, such as ``depth-estimation``."""
    dtype: ClassVar[str]
    """Data type of the stored array."""
    shape: ClassVar[tuple[int, ...]] = ()
    """Dimensions after (N, H, W) in the stored array."""
    sentinel: ClassVar[int | None]
    """The stored value of pixels without a label; None if every pixel has a value."""

    def display_name(self, name: str) -> str:
        """Return the display name of the task or field ``name``: ``title``, unless a user chose the name."""
        return self.title if self.title and name == self.name else name

    @property
    @abstractmethod
    def unit(self) -> str:
        """The unit of the *values*: ``meter``, ``class id``, ``unit vector``, …"""

    # -- between samples and stores ------------------------------------------------------------------------------------

    @abstractmethod
    def check(self, values: Array) -> None:
        """Raise ``ValueError`` with the remedy unless the valid values, (pixels,) + ``shape``, are possible."""

    def pack(self, values: Array, valid: Mask) -> Array:
        """Return one label in its stored form, (H, W) + ``shape``.

        Raises ``ValueError`` if the shapes disagree, a valid pixel has an impossible value, or pixels have no label
        although every pixel needs one.
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
        """Return the stored form, (H, W) + ``shape``, of a label without valid pixels.

        Raises ``ValueError`` if every pixel must have a value.
        """
        if self.sentinel is None:
            raise ValueError("every pixel needs a value: provide this field with every sample, without a mask")
        return np.full((*size, *self.shape), self.sentinel, self.dtype)

    def quantize(self, values: Array) -> Array:
        """Return the stored form of checked values."""
        return values

    @abstractmethod
    def unpack(self, stored: "Tensor") -> Target:
        """Convert stored labels, (B, H, W) + ``shape``, to values and their mask, each pixel independently.

        Augmentations move the pixels beforehand.
        """

    def to_array(self, values: "Tensor") -> Array:
        """Convert values shaped as ``Target.value`` to a NumPy array laid out as samples, (B, H, W) + ``shape``."""
        pixels = values if values.ndim == 3 else values.movedim(1, -1)
        array: Array = pixels.reshape(*pixels.shape[:3], *self.shape).cpu().numpy()
        return array

    def as_label(self, values: Array, valid: Mask) -> Array:
        """Convert a prediction, (H, W) + ``shape``, to a label for a store; unchanged unless overridden.

        ``valid``, (H, W), marks the pixels that are stored.
        """
        return values

    def align_to_label(self, values: Array, label: Array, is_labeled: Mask) -> Array:
        """Convert a prediction, (H, W) + ``shape``, to the unit of a partial label of the same image.

        ``is_labeled``, (H, W), marks the pixels with a label. Unchanged unless overridden.
        """
        return values

    def conversion_to(self, other: "Modality", how: str = "") -> Callable[[Target], Target]:
        """Return a function that converts labels of this modality to another, so data of both can be combined.

        For modalities with classes, ``how`` says which class becomes which (``class_maps.class_table``). Raises
        ``ValueError`` if there is no such conversion; unless overridden, there is one to an equal modality only.
        """
        if self != other:
            raise ValueError(f"it is {self}, but {other} in other data: leave one of them out")
        return _unchanged

    def unmatched_classes(self, other: "Modality", how: str = "") -> tuple[str, ...]:
        """Return the classes without a counterpart in the other modality. Raises the errors of ``conversion_to``."""
        return ()

    # -- geometry ------------------------------------------------------------------------------------------------------

    def warp(self, value: "Tensor", motion: "Tensor", depth_ratio: "Tensor") -> "Tensor":
        """Adapt values to a motion of camera space, p → ``motion`` @ p. The pixels have already been moved.

        ``value`` is (B, H, W) or (B, C, H, W); ``motion`` is (B, 3, 3); ``depth_ratio``, (B, 1, H, W) or
        (B, 1, 1, 1), is the factor by which each pixel's depth is divided. A horizontal flip is the motion
        diag(-1, 1, 1).
        """
        return value

    # -- image-blind baselines -----------------------------------------------------------------------------------------

    def accumulate(self, target: Target) -> "Tensor":
        """Return the sums over a batch that ``average`` needs: (n, H, W) float64, 0 without labels.

        Unless overridden, for values (B, C, H, W): the sum of each channel, and the number of labels.
        """
        import torch

        valid = target.valid.unsqueeze(1)
        return torch.cat([target.value.masked_fill(~valid, 0), valid.to(target.value.dtype)], 1).double().sum(0)

    def average(self, sums: "Tensor") -> "Tensor":
        """Return the typical value at each position from the sums of ``accumulate``, shaped as one ``Target.value``.

        Unless overridden, the mean.
        """
        return sums[:-1] / sums[-1:].clamp(min=1)

    # -- statistics, for ``taskscape data check`` ----------------------------------------------------------------------

    @property
    def bins(self) -> tuple[str, ...]:
        """The names of the bins of ``histogram``; empty for a modality without a histogram."""
        return ()

    def histogram(self, values: Array) -> Counts:
        """Count the values of valid pixels, (pixels,) + ``shape``, in each bin.

        Counts of values outside all bins may follow, for use by ``histogram_warnings``.
        """
        return np.zeros(len(self.bins), np.int64)

    def median(self, values: Array) -> float | None:
        """Return the median of one image's valid values, (pixels,) + ``shape``; None if it has no meaning."""
        return None

    def histogram_warnings(self, counts: Counts, median: float | None) -> list[str]:
        """Return warnings about implausible labels of a split, as sentences with the remedy.

        ``counts`` is the sum of the images' histograms, ``median`` the median of their medians.
        """
        return []

    def image_statistics(self, values: Array, valid: Mask) -> dict[str, float]:
        """Return statistics of one image's label, (H, W) + ``shape`` with at least one valid pixel, by name.

        They are passed to ``statistics_warnings``. Statistics without meaning for this image are left out.
        """
        return {}

    def joint_statistics(
        self, values: Array, valid: Mask, other: "Modality", label: tuple[Array, Mask]
    ) -> dict[str, float]:
        """Return joint statistics of one image's label and its label in another field, as ``image_statistics``.

        ``label`` has the values of the ``other`` modality and their mask.
        """
        return {}

    def statistics_warnings(self, statistics: Mapping[str, Mapping[str, float]]) -> list[str]:
        """Return warnings about implausible images of a split, as sentences with numbers, an example and the remedy.

        ``statistics`` has those of ``image_statistics`` and ``joint_statistics``, by their name and the image's name.
        """
        return []

    def statistics_remarks(self, statistics: Mapping[str, Mapping[str, float]]) -> list[str]:
        """Return remarks about notable but correct images, as sentences; arguments as in ``statistics_warnings``."""
        return []

    def lost_pixels(self, before: tuple[Array, Mask], after: tuple[Array, Mask]) -> dict[str, tuple[int, int]]:
        """Return, for each class, the number of pixels before a label was resized and how many of them were lost.

        ``before`` and ``after`` are (H', W') and (H, W) values, each with its mask. A pixel is lost if none of the
        nine pixels around its new position has its class.
        """
        return {}

    def lost_pixels_warnings(self, vanished: Mapping[str, tuple[int, int]]) -> list[str]:
        """Return warnings about the sum of ``lost_pixels`` over a split, as sentences with the remedy."""
        return []

    def edges(self, values: Array, valid: Mask) -> Mask | None:
        """Return a mask, (H, W), of the edges in one image's label that the image should have too.

        None for a modality without such edges.
        """
        return None

    def split_warnings(self, counts: Mapping[str, Counts]) -> list[str]:
        """Return warnings about differences between the labeled splits, as sentences with the remedy.

        ``counts`` has the sum of the images' histograms for each split.
        """
        return []


def _unchanged(target: Target) -> Target:
    return target
