"""Statistics of a packed store, per split and field; each modality defines its own."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import permutations

import numpy as np
import numpy.typing as npt
import torch

from taskscape.data.alignment import Alignment
from taskscape.data.contrast import Contrast
from taskscape.data.manifest import IMAGE
from taskscape.data.store import Store
from taskscape.data.twins import Twins
from taskscape.modalities import Modality
from taskscape.modalities.base import Array, Counts, Mask


@dataclass
class FieldStatistics:
    """Statistics of one field of a split."""

    valid: float
    """Fraction of pixels with a label."""
    without: list[str]
    """Names of the images without a single labeled pixel."""
    histogram: Counts
    """Number of pixels per bin of the modality, with any further counts of its ``histogram``."""
    median: float | None
    """Median over images of the median of each image; None if the modality has no median."""
    observed: Mapping[str, Mapping[str, float]]
    """Numbers from the modality's ``image_statistics`` and ``joint_statistics``, by quantity and image name."""
    alignment: Alignment
    """How well label edges lie on image edges."""


@dataclass
class SplitStatistics:
    """Statistics of one split."""

    images: int
    mean_image: npt.NDArray[np.float64]
    """(H, W, 3) RGB in 0..1."""
    fields: dict[str, FieldStatistics]
    """The labels, without the image."""
    image: FieldStatistics


class SplitSums:
    """Accumulator of the statistics of one split."""

    def __init__(self, store: Store, fields: tuple[str, ...]) -> None:
        self.store = store
        self.mean = np.zeros((*store.size, 3))
        self.images = 0
        self.image = _FieldSums(store.manifest.fields[IMAGE])
        self.fields = {name: _FieldSums(store.fields[name]) for name in fields}

    def add(self, indices: Iterable[int], twins: Twins | None = None) -> None:
        """Add some images with their labels, also to ``twins``."""
        chosen = list(indices)
        batch = self.store.gather(chosen, tuple(self.fields), torch.device("cpu"))
        self.mean += batch.image.permute(0, 2, 3, 1).numpy().sum(0, dtype=np.float64)
        self.images += len(chosen)
        names = [self.store.names[index] for index in chosen]
        all_valid = np.ones(self.store.size, np.bool_)
        images = self.image.modality.to_array(batch.image)
        labels = {
            field: (sums.modality.to_array(batch.targets[field].value), batch.targets[field].valid.numpy())
            for field, sums in self.fields.items()
        }
        for position, (name, image) in enumerate(zip(names, images, strict=True)):
            self.image.add(name, image, all_valid)
            contrast = Contrast(image)
            if twins is not None:
                twins.add_image(f"{self.store.split}/{name.removeprefix(f'{self.store.split}/')}", image)
            own = {field: (values[position], valid[position]) for field, (values, valid) in labels.items()}
            for field, (values, valid) in own.items():
                self.fields[field].add(name, values, valid, contrast)
                if twins is not None:
                    twins.add_label(field, values, valid)
            labeled = {field: label for field, label in own.items() if label[1].any()}
            for (field, label), (other, other_label) in permutations(labeled.items(), 2):
                self.fields[field].add_joint(name, label, self.fields[other].modality, other_label)

    def statistics(self) -> SplitStatistics:
        """Return the statistics of all images that were added."""
        pixels = self.images * self.store.size[0] * self.store.size[1]
        return SplitStatistics(
            images=self.images,
            mean_image=self.mean / self.images,
            fields={name: sums.statistics(pixels) for name, sums in self.fields.items()},
            image=self.image.statistics(pixels),
        )


class _FieldSums:
    """Accumulator of the statistics of one field of a split."""

    def __init__(self, modality: Modality) -> None:
        self.modality = modality
        self.pixels = 0
        self.without: list[str] = []
        self.histogram = modality.histogram(np.zeros((0, *modality.shape), modality.dtype))
        self.medians: list[float] = []
        self.observed: dict[str, dict[str, float]] = defaultdict(dict)
        self.alignment = Alignment()

    def add(self, name: str, values: Array, valid: Mask, contrast: Contrast | None = None) -> None:
        """Add the values of one image; for a label, ``contrast`` is that of the image."""
        if not valid.any():
            self.without.append(name)
            return
        pixels = values[valid]
        self.pixels += len(pixels)
        self.histogram += self.modality.histogram(pixels)
        median = self.modality.median(pixels)
        if median is not None:
            self.medians.append(median)
        for quantity, number in self.modality.image_statistics(values, valid).items():
            self.observed[quantity][name] = number
        if contrast is not None and (edges := self.modality.edges(values, valid)) is not None:
            self.alignment.add(name, contrast, edges, valid)

    def add_joint(
        self, name: str, label: tuple[Array, Mask], other_modality: Modality, other_label: tuple[Array, Mask]
    ) -> None:
        """Add what an image's label reveals in combination with its label of another field."""
        for quantity, number in self.modality.joint_statistics(*label, other_modality, other_label).items():
            self.observed[quantity][name] = number

    def statistics(self, pixels: int) -> FieldStatistics:
        """Return the statistics of the field in a split of this many pixels."""
        median = float(np.median(self.medians)) if self.medians else None
        return FieldStatistics(
            self.pixels / pixels, self.without, self.histogram, median, dict(self.observed), self.alignment
        )
