"""What a packed store holds in numbers, and what is implausible about it. Each modality knows its own statistics."""

import hashlib
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from taskscape.data.manifest import Manifest
from taskscape.data.store import Store
from taskscape.modalities import Modality
from taskscape.modalities.base import Array, Counts, Mask
from taskscape.progress import ProgressCallback

_AT_ONCE = 16
"""Images in memory."""


@dataclass
class FieldStatistics:
    """What one field of a split holds."""

    valid: float
    """Share of pixels with a label."""
    without: list[str]
    """Names of the images without a single labelled pixel."""
    histogram: Counts
    """Pixels per bin of the modality, and what its ``histogram`` counts besides."""
    median: float | None
    """Median over the images of each one's median; None for a modality without."""


@dataclass
class SplitStatistics:
    """What one split holds."""

    images: int
    mean_image: npt.NDArray[np.float64]
    """(H, W, 3) RGB in 0..1."""
    fields: dict[str, FieldStatistics]


@dataclass
class Findings:
    """What ``check`` finds."""

    fields: Mapping[str, Modality]
    splits: dict[str, SplitStatistics] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)


def check(path: Path, report: ProgressCallback | None = None) -> Findings:
    """Read a whole store, with its checksums, a few images at a time, and return what it holds.

    Warns of what the modalities find implausible (ids outside the class set, classes that never occur, depth in an
    implausible unit), images without any label of a field, fields with few labels, and images that occur twice, above
    all in two splits.

    Raises ``FileNotFoundError`` or ``ValueError`` where the store is not whole.
    """
    manifest = Manifest.of(path)
    findings = Findings(manifest.labels)
    names_by_digest: dict[bytes, list[str]] = defaultdict(list)
    total, done = sum(manifest.counts.values()), 0
    for split in manifest.counts:
        store = Store.open(path, split, verify=True)
        sums = _SplitSums(store)
        for start in range(0, len(store), _AT_ONCE):
            indices = range(start, min(start + _AT_ONCE, len(store)))
            for index, digest in zip(indices, sums.add(indices), strict=True):
                names_by_digest[digest].append(f"{split}/{store.names[index]}")
            done += len(indices)
            if report is not None:
                report(done, total)
        findings.splits[split] = sums.statistics()
        findings.warnings += _warnings(split, findings.splits[split], store.fields)
    findings.warnings += _duplicates(list(names_by_digest.values()))
    return findings


class _SplitSums:
    """Adds up one split."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.image = np.zeros((*store.size, 3))
        self.fields = {name: _FieldSums(modality) for name, modality in store.fields.items()}

    def add(self, indices: range) -> list[bytes]:
        """Add some images, and return a digest of each."""
        batch = self.store.gather(indices, tuple(self.fields), torch.device("cpu"))
        images = batch.image.permute(0, 2, 3, 1).numpy()
        self.image += images.sum(0, dtype=np.float64)
        for name, sums in self.fields.items():
            target = batch.targets[name]
            values, masks = sums.modality.to_array(target.value), target.valid.numpy()
            for index, value, mask in zip(indices, values, masks, strict=True):
                sums.add(self.store.names[index], value, mask)
        return [hashlib.blake2b(image.tobytes(), digest_size=16).digest() for image in images]

    def statistics(self) -> SplitStatistics:
        """Return what was added up."""
        pixels = len(self.store) * self.store.size[0] * self.store.size[1]
        return SplitStatistics(
            images=len(self.store),
            mean_image=self.image / len(self.store),
            fields={name: sums.statistics(pixels) for name, sums in self.fields.items()},
        )


class _FieldSums:
    """Adds up one field of a split."""

    def __init__(self, modality: Modality) -> None:
        self.modality = modality
        self.pixels = 0
        self.without: list[str] = []
        self.histogram = modality.histogram(np.zeros((0, *modality.shape), modality.dtype))
        self.medians: list[float] = []

    def add(self, name: str, values: Array, valid: Mask) -> None:
        """Add the label of one image."""
        if not valid.any():
            self.without.append(name)
            return
        pixels = values[valid]
        self.pixels += len(pixels)
        self.histogram += self.modality.histogram(pixels)
        median = self.modality.median(pixels)
        if median is not None:
            self.medians.append(median)

    def statistics(self, pixels: int) -> FieldStatistics:
        """Return what was added up of a split of so many pixels."""
        median = float(np.median(self.medians)) if self.medians else None
        return FieldStatistics(self.pixels / pixels, self.without, self.histogram, median)


def _warnings(split: str, statistics: SplitStatistics, fields: Mapping[str, Modality]) -> list[str]:
    warnings = []
    for name, one in statistics.fields.items():
        if one.valid:
            warnings += [f"{split}, {name}: {text}" for text in fields[name].implausible(one.histogram, one.median)]
    for name, one in statistics.fields.items():
        if one.without:
            warnings.append(
                f"{split}: {len(one.without)} of {statistics.images} images have no {name} label at all, such as "
                f"{one.without[0]}"
            )
        elif one.valid < 0.1:
            warnings.append(f"{split}: only {100 * one.valid:.1f} % of the pixels have a {name} label")
    return warnings


def _duplicates(groups: list[list[str]]) -> list[str]:
    """Warn of images that are the same, once for those of two splits and once for those of one."""
    across: list[list[str]] = []
    within: list[list[str]] = []
    for names in groups:
        if len(names) > 1:
            (across if len({name.partition("/")[0] for name in names}) > 1 else within).append(names)
    warnings = []
    if across:
        warnings.append(
            f"{len(across)} images are in two splits, such as {' = '.join(across[0][:2])}: results on them say nothing"
        )
    if within:
        warnings.append(f"{len(within)} images occur twice in a split, such as {' = '.join(within[0][:2])}")
    return warnings
