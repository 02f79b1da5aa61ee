"""Class ids."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from typing_extensions import override

from taskscape.batch import Target
from taskscape.modalities.base import Array, Counts, Modality
from taskscape.modalities.class_sets import IGNORE_INDEX, ClassSet, label_map

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Semseg(Modality):
    """Which class every pixel belongs to, (H, W); ids are those of the class set."""

    name: ClassVar[str] = "semseg"
    dtype: ClassVar[str] = "uint8"
    sentinel: ClassVar[int | None] = IGNORE_INDEX

    classes: ClassSet
    """Names and palette of the classes."""

    @property
    @override
    def unit(self) -> str:
        return "class id"

    @override
    def check(self, values: Array) -> None:
        outside = np.setdiff1d(values, np.arange(len(self.classes)))
        if len(outside):
            raise ValueError(
                f"ids {outside[:5].tolist()} are outside class set {self.classes.name!r} (0 … {len(self.classes) - 1}):"
                " mark such pixels as not valid, or use the class set they belong to"
            )

    @override
    def unpack(self, stored: "Tensor") -> Target:
        """Return (B, H, W) int64 ids, 0 where there is none."""
        valid = stored != IGNORE_INDEX
        return Target(stored.long() * valid, valid)

    @override
    def to_array(self, values: "Tensor") -> Array:
        """Return (B, H, W) uint8 ids."""
        return super().to_array(values).astype(self.dtype)

    def convert(self, target: Target, classes: ClassSet) -> Target:
        """Return the target with its ids turned into those of another class set; some pixels may lose their class.

        Raises ``ValueError`` where no map between the two is known (``class_sets.label_map``).
        """
        if classes == self.classes:
            return target
        import torch

        table = torch.from_numpy(label_map(self.classes, classes).astype(np.int64)).to(target.value.device)
        ids = table.take(target.value)
        valid = target.valid & (ids != IGNORE_INDEX)
        return Target(ids * valid, valid)

    @override
    def accumulate(self, target: Target) -> "Tensor":
        """Return the number of pixels of each class."""
        import torch.nn.functional as F

        none = len(self.classes)
        ids = target.value.masked_fill(~target.valid, none)
        return F.one_hot(ids, none + 1)[..., :-1].movedim(3, 1).double().sum(0)

    @override
    def average(self, sums: "Tensor") -> "Tensor":
        """Return the most frequent class, (H, W)."""
        return sums.argmax(0)

    @property
    @override
    def bins(self) -> tuple[str, ...]:
        return self.classes.classes

    @override
    def histogram(self, values: Array) -> Counts:
        """Return the number of pixels per id, (256,)."""
        return np.bincount(values, minlength=256)

    @override
    def implausible(self, counts: Counts, median: float | None) -> list[str]:
        sentences = []
        ids = np.flatnonzero(counts)
        if outside := ids[ids >= len(self.classes)].tolist():
            sentences.append(f"ids {outside} are outside class set {self.classes.name!r}: make the store again")
        absent = [name for name, count in zip(self.classes.classes, counts, strict=False) if count == 0]
        if absent:
            sentences.append(f"no pixel is {', '.join(absent)}: is it the right class set, the right split?")
        return sentences
