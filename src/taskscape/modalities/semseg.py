"""Semantic segmentation: class ids."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from typing_extensions import override

from taskscape.batch import Target
from taskscape.devices import on_device
from taskscape.modalities.base import Array, Counts, Mask, Modality
from taskscape.modalities.class_maps import class_table, left_out
from taskscape.modalities.class_sets import IGNORE_INDEX, ClassSet, label_map
from taskscape.modalities.observations import above, changes

if TYPE_CHECKING:
    from torch import Tensor

VANISHED = 0.2
"""Share of a class's pixels that may be lost when labels are resized without a report."""
_THIN = "thin: "
"""Start of the names of the statistics of classes."""


@dataclass(frozen=True)
class Semseg(Modality):
    """The class of every pixel, (H, W), as an id of the class set."""

    name: ClassVar[str] = "semseg"
    title: ClassVar[str] = "segmentation"
    hub_task: ClassVar[str] = "image-segmentation"
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
        """Return (B, H, W) int64 ids, 0 where there is no label."""
        valid = (stored ^ IGNORE_INDEX).bool()  # takes a tenth of the time of a comparison
        return Target((stored * valid).long(), valid)

    @override
    def to_array(self, values: "Tensor") -> Array:
        """Return (B, H, W) uint8 ids."""
        return super().to_array(values).astype(self.dtype)

    def convert(self, target: Target, classes: ClassSet) -> Target:
        """Convert the target's ids to another class set; pixels may lose their class.

        Raises ``ValueError`` if no map between the two is known (``class_sets.label_map``).
        """
        if classes == self.classes:
            return target
        return _apply_table(label_map(self.classes, classes), target)

    @override
    def conversion_to(self, other: Modality, how: str = "") -> Callable[[Target], Target]:
        """Return the conversion of classes by ``how``; pixels of classes that are left out lose their label."""
        if not isinstance(other, Semseg):
            return super().conversion_to(other, how)
        return partial(_apply_table, class_table(self.classes, other.classes, how))

    @override
    def unmatched_classes(self, other: Modality, how: str = "") -> tuple[str, ...]:
        if not isinstance(other, Semseg):
            return super().unmatched_classes(other, how)
        return left_out(self.classes, class_table(self.classes, other.classes, how))

    @override
    def accumulate(self, target: Target) -> "Tensor":
        """Return the number of pixels of each class."""
        import torch

        num_classes = len(self.classes)
        ids = target.value.masked_fill(~target.valid, num_classes).flatten(1)
        counts = torch.zeros(num_classes + 1, ids.shape[1], dtype=torch.float64, device=ids.device)
        counts.scatter_add_(0, ids, torch.ones_like(ids, dtype=torch.float64))
        return counts[:-1].view(num_classes, *target.value.shape[1:])

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
    def histogram_warnings(self, counts: Counts, median: float | None) -> list[str]:
        sentences = []
        ids = np.flatnonzero(counts)
        if outside := ids[ids >= len(self.classes)].tolist():
            sentences.append(f"ids {outside} are outside class set {self.classes.name!r}: make the store again")
        if len(ids) == 1 and ids[0] < len(self.classes):
            name = self.classes.classes[ids[0]]
            sentences.append(
                f"every labeled pixel is {name}, so there is nothing to learn: make the rest of the image a class too"
            )
        return sentences

    @override
    def image_statistics(self, values: Array, valid: Mask) -> dict[str, float]:
        """Return the share of each class's pixels that are in regions one pixel wide, and signs of smoothing."""
        padded = np.pad(np.where(valid, values, IGNORE_INDEX), 1, mode="edge")
        inner = padded[1:-1, 1:-1]
        wide = (inner == padded[1:-1, 2:]) | (inner == padded[1:-1, :-2])
        high = (inner == padded[2:, 1:-1]) | (inner == padded[:-2, 1:-1])
        pixels = np.bincount(inner.ravel(), minlength=256)
        thin = np.bincount(inner[~(wide & high)], minlength=256)
        return {"smoothed": _smoothed(inner)} | {
            f"{_THIN}{name}": thin[id_] / pixels[id_] for id_, name in enumerate(self.classes.classes) if pixels[id_]
        }

    @override
    def statistics_warnings(self, statistics: Mapping[str, Mapping[str, float]]) -> list[str]:
        cases = above(statistics.get("smoothed", {}), 0.45)
        if cases and cases.images >= max(3, cases.of / 2):
            return [
                f"the ids along edges in {cases}, lie between those of both sides, as after resizing with "
                "interpolation or JPEG: export the labels again without, and resize them by nearest neighbor"
            ]
        thin = {
            name.removeprefix(_THIN): shares
            for name, shares in statistics.items()
            if name.startswith(_THIN) and len(shares) >= 3 and np.median(list(shares.values())) > 0.8
        }
        if not thin:
            return []
        images = dict.fromkeys(image for shares in thin.values() for image in shares)
        image = max(images, key=lambda image: sum(shares.get(image, 0) for shares in thin.values()))
        return [
            f"most of {', '.join(thin)} is one pixel wide in most images, such as {image}: the images are too small "
            "for it, prepare larger ones"
        ]

    @override
    def lost_pixels(self, before: tuple[Array, Mask], after: tuple[Array, Mask]) -> dict[str, tuple[int, int]]:
        """Return the number of pixels of each class before, and how many of them are lost."""
        old, new = (np.where(valid, values, IGNORE_INDEX).astype(np.uint8) for values, valid in (before, after))
        rows, columns = (np.arange(n) * m // n for n, m in zip(old.shape, new.shape, strict=True))
        y, x = np.nonzero((old != new[rows[:, None], columns]) & before[1])  # few, along edges
        old_ids = old[y, x]
        padded = np.pad(new, 1, constant_values=IGNORE_INDEX)
        is_kept = np.zeros(len(old_ids), np.bool_)
        for dy in range(3):
            for dx in range(3):
                is_kept |= padded[rows[y] + dy, columns[x] + dx] == old_ids
        pixels = np.bincount(old.ravel(), minlength=256).tolist()
        lost_pixels = np.bincount(old_ids[~is_kept], minlength=256).tolist()
        return {name: (pixels[id_], lost_pixels[id_]) for id_, name in enumerate(self.classes.classes) if pixels[id_]}

    @override
    def lost_pixels_warnings(self, vanished: Mapping[str, tuple[int, int]]) -> list[str]:
        shares = {name: lost / pixels for name, (pixels, lost) in vanished.items() if pixels}
        worst = sorted((name for name, share in shares.items() if share > VANISHED), key=lambda name: -shares[name])
        if not worst:
            return []
        listed = ", ".join(f"{100 * shares[name]:.0f} % of {name}" for name in worst)
        return [f"{listed} vanished when the labels were made smaller: prepare larger images"]

    @override
    def edges(self, values: Array, valid: Mask) -> Mask:
        return changes(values, valid, np.not_equal)

    @override
    def split_warnings(self, counts: Mapping[str, Counts]) -> list[str]:
        occurs = {
            split: [bool(count) for count in histogram[: len(self.classes)]] for split, histogram in counts.items()
        }
        sentences: dict[tuple[str, ...], list[str]] = {}
        for name, present in zip(self.classes.classes, zip(*occurs.values(), strict=True), strict=True):
            missing_in = tuple(split for split, is_present in zip(occurs, present, strict=True) if not is_present)
            if missing_in:
                sentences.setdefault(missing_in, []).append(name)
        return [
            _absence(names, missing_in, tuple(occurs), self._is_swapped(names))
            for missing_in, names in sentences.items()
        ]

    def _is_swapped(self, missing: Sequence[str]) -> bool:
        """Return whether, with red and blue exchanged, the colors in use are those of classes, some of them missing."""
        colors = dict(zip(self.classes.classes, self.classes.palette, strict=True))
        swapped = {colors[name][::-1] for name in colors if name not in missing}
        return swapped <= set(colors.values()) and not swapped.isdisjoint({colors[name] for name in missing})


def _smoothed(ids: Array) -> float:
    """Return the share of ids that lie between two others, among pixels with two other ids on opposite sides.

    In correct labels it is about a third, as in random ones; after interpolation it is nearly 1. The id that is most
    often between two others is left out, as it may be a contour. Returns 0 if there are few such pixels.
    """
    between, total = np.zeros(256, np.int64), np.zeros(256, np.int64)
    for x in (ids, ids.T):
        before, middle, after = x[:-2], x[1:-1], x[2:]
        is_edge = (before != middle) & (middle != after) & (before != after)
        is_edge &= (before != IGNORE_INDEX) & (middle != IGNORE_INDEX) & (after != IGNORE_INDEX)
        total += np.bincount(middle[is_edge], minlength=256)
        between += np.bincount(middle[is_edge & ((before < middle) == (middle < after))], minlength=256)
    others = np.arange(256) != between.argmax()
    count = total[others].sum()
    return float(between[others].sum() / count) if count > ids.size / 100 else 0.0


def _apply_table(table: Array, target: Target) -> Target:
    """Look up the target's ids in a (256,) table; pixels may lose their class."""
    ids = on_device(table.astype(np.int64), target.value.device).take(target.value)
    valid = target.valid & (ids != IGNORE_INDEX)
    return Target(ids * valid, valid)


def _absence(names: Sequence[str], missing_in: tuple[str, ...], splits: tuple[str, ...], is_swapped: bool) -> str:
    """Return a sentence about classes that are missing in some splits, perhaps because of exchanged colors."""
    sentence = f"no pixel of {' and '.join(missing_in)} is {', '.join(names)}"
    if missing_in == splits:
        return f"{sentence}: is it the right class set{', or are red and blue exchanged in the files' * is_swapped}?"
    present_in = " and ".join(split for split in splits if split not in missing_in)
    return f"{sentence}, which {present_in} has: divide the images into splits that all have every class"
