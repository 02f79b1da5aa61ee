"""What a packed store holds in numbers, and what is implausible about it. Each modality knows its own statistics."""

import hashlib
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from taskscape.data.alignment import Alignment, Contrast, contrast
from taskscape.data.duplicates import fingerprint, near_duplicates
from taskscape.data.manifest import IMAGE, Manifest
from taskscape.data.store import Store
from taskscape.modalities import Modality
from taskscape.modalities.base import Array, Counts, Mask
from taskscape.progress import ProgressCallback

_AT_ONCE = 16
"""Images in memory."""
QUICK_IMAGES = 64
"""Of each split, at most, that ``quick`` reads."""
QUICK_PIXELS = 1 << 20
"""Of each split, about, that ``quick`` reads."""


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
    observed: Mapping[str, Mapping[str, float]]
    """The numbers of the modality's ``observe``, by what they measure and the image's name."""
    alignment: Alignment
    """How its edges lie on those of the images."""


@dataclass
class SplitStatistics:
    """What one split holds."""

    images: int
    mean_image: npt.NDArray[np.float64]
    """(H, W, 3) RGB in 0..1."""
    fields: dict[str, FieldStatistics]
    """The labels; the image is not among them."""
    image: FieldStatistics


@dataclass
class Findings:
    """What ``check`` finds."""

    fields: Mapping[str, Modality]
    splits: dict[str, SplitStatistics] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    """What is worth knowing and no fault."""


def check(path: str | Path, report: ProgressCallback | None = None) -> Findings:
    """Read a whole store, with its checksums, a few images at a time, and return what it holds.

    Warns of what the modalities find implausible in single images, in splits and between splits (images of one color,
    clipped or nearly black; classes that a split lacks; depth in an implausible unit, with spikes or with many pixels
    at one end; normals that face away; ...), of images without any label of a field, of fields with few labels, of
    labels that several images share, and of images that occur twice or nearly so, above all in two splits.

    Raises ``FileNotFoundError`` or ``ValueError`` where the store is not whole.
    """
    path = Path(path)
    manifest = Manifest.of(path)
    findings = Findings(manifest.labels)
    twins = _Twins(manifest.labels)
    total, done = sum(manifest.counts.values()), 0
    for split in manifest.counts:
        store = Store.open(path, split, verify=True)
        sums = _SplitSums(store, tuple(store.fields))
        for start in range(0, len(store), _AT_ONCE):
            indices = range(start, min(start + _AT_ONCE, len(store)))
            sums.add(indices, twins)
            done += len(indices)
            if report is not None:
                report(done, total)
        findings.splits[split] = sums.statistics()
        findings.warnings += _warnings(split, findings.splits[split], manifest)
        findings.remarks += _remarks(split, findings.splits[split], manifest)
    findings.warnings += _compare(findings)
    findings.warnings += twins.warnings()
    return findings


def quick(stores: Mapping[str, Store], fields: Collection[str]) -> list[str]:
    """Return the warnings that a sample of each split's images and of these labels gives in about half a second.

    What ``check`` finds by comparing images or splits is not among them.
    """
    warnings = []
    for split, whole in stores.items():
        for name, store, used in whole.parts:
            pixels = store.size[0] * store.size[1]
            count = min(len(store), QUICK_IMAGES, max(QUICK_PIXELS // pixels, 2))
            sums = _SplitSums(store, tuple(field for field in store.fields if field in fields and field in used))
            every = np.unique(np.linspace(0, len(store) - 1, count).astype(np.int64)).tolist()
            for start in range(0, len(every), _AT_ONCE):
                sums.add(every[start : start + _AT_ONCE])
            found = _warnings(split, sums.statistics(), store.manifest)
            warnings += [f"{name}, {warning}" for warning in found] if name else found
    return warnings


def require_labels(store: Store, fields: Collection[str]) -> None:
    """Raise ``ValueError`` unless each of these labels has a valid pixel somewhere in the split.

    Images are read until there is one of every label, mostly the first few.
    """
    wanted = [name for name in store.fields if name in fields and not _has_label(store, name)]
    if wanted:
        raise ValueError(
            f"no pixel of {store.path}, {store.split}, has a {' or '.join(wanted)} label, so that nothing can be "
            "learned of it: leave the task out, or prepare the store again with its labels"
        )


def _has_label(store: Store, field: str) -> bool:
    """Return whether a field has a valid pixel somewhere in a split."""
    labelled = store.labelled(field)
    return any(
        store.gather(some, [field], torch.device("cpu")).targets[field].valid.any()
        for some in np.split(labelled, range(_AT_ONCE, len(labelled), _AT_ONCE))
        if len(some)
    )


class _Twins:
    """Finds images, and labels, that are the same."""

    def __init__(self, fields: Mapping[str, Modality]) -> None:
        self.images: list[str] = []
        """``SPLIT/NAME`` of each."""
        self.digests: list[bytes] = []
        self.hashes: list[int] = []
        self.thumbnails: list[Array] = []
        self.labels: dict[str, dict[bytes, list[int]]] = {name: defaultdict(list) for name in fields}
        """Per field: the images by the digest of their label."""

    def add_image(self, name: str, image: Array) -> None:
        code, thumbnail = fingerprint(image)
        self.images.append(name)
        self.digests.append(_digest(image))
        self.hashes.append(code)
        self.thumbnails.append(thumbnail)

    def add_label(self, field: str, values: Array, valid: Mask) -> None:
        """Add a label of the image that was added last."""
        pixels = values[valid]
        if len(pixels) and (pixels != pixels[0]).any():
            self.labels[field][_digest(values, valid)].append(len(self.images) - 1)

    def warnings(self) -> list[str]:
        """Return what is to be said of images and labels that occur more than once."""
        return [*self._same_images(), *self._alike(), *self._same_labels()]

    def _same_images(self) -> Iterable[str]:
        by_digest: dict[bytes, list[str]] = defaultdict(list)
        for digest, name in zip(self.digests, self.images, strict=True):
            by_digest[digest].append(name)
        groups = [names for names in by_digest.values() if len(names) > 1]
        across = [names for names in groups if len(set(map(_split, names))) > 1]
        within = [names for names in groups if len(set(map(_split, names))) == 1]
        if across:
            first, second = across[0][0], next(name for name in across[0] if _split(name) != _split(across[0][0]))
            yield (
                f"{len(across)} images are in two splits, such as {first} = {second}: results on them say nothing, "
                "leave them in one"
            )
        if within:
            yield (
                f"{len(within)} images occur twice in a split, such as {' = '.join(within[0][:2])}: leave one of each, "
                "unless they are meant to count twice"
            )

    def _alike(self) -> Iterable[str]:
        pairs = [
            (self.images[a], self.images[b])
            for a, b in near_duplicates(self.hashes, self.thumbnails)
            if self.digests[a] != self.digests[b]
        ]
        across = [pair for pair in pairs if _split(pair[0]) != _split(pair[1])]
        within = [pair for pair in pairs if _split(pair[0]) == _split(pair[1])]
        if across:
            yield (
                f"{len({b for _, b in across})} images are nearly the same as one of another split, such as "
                f"{' and '.join(across[0])}: results on them say little, keep frames of one scene in one split"
            )
        if within:
            yield (
                f"{len({b for _, b in within})} images are nearly the same as another of their split, such as "
                f"{' and '.join(within[0])}: they add little, and a split by order keeps them together"
            )

    def _same_labels(self) -> Iterable[str]:
        for name, groups in self.labels.items():
            shared = [some for some in groups.values() if len({self.digests[index] for index in some}) > 1]
            if shared:
                first, second = (self.images[index] for index in shared[0][:2])
                yield (
                    f"{sum(map(len, shared))} images share their {name} label with another image, such as {first} and "
                    f"{second}: check that every label belongs to its image"
                )


class _SplitSums:
    """Adds up one split."""

    def __init__(self, store: Store, fields: tuple[str, ...]) -> None:
        self.store = store
        self.mean = np.zeros((*store.size, 3))
        self.images = 0
        self.image = _FieldSums(store.manifest.fields[IMAGE])
        self.fields = {name: _FieldSums(store.fields[name]) for name in fields}

    def add(self, indices: Iterable[int], twins: _Twins | None = None) -> None:
        """Add some images, to the twins as well."""
        some = list(indices)
        batch = self.store.gather(some, tuple(self.fields), torch.device("cpu"))
        self.mean += batch.image.permute(0, 2, 3, 1).numpy().sum(0, dtype=np.float64)
        self.images += len(some)
        names = [self.store.names[index] for index in some]
        everywhere = np.ones(self.store.size, np.bool_)
        images = self.image.modality.to_array(batch.image)
        labels = {
            field: (sums.modality.to_array(batch.targets[field].value), batch.targets[field].valid.numpy())
            for field, sums in self.fields.items()
        }
        for position, (name, image) in enumerate(zip(names, images, strict=True)):
            self.image.add(name, image, everywhere)
            image_contrast = contrast(image)
            if twins is not None:
                twins.add_image(f"{self.store.split}/{name.removeprefix(f'{self.store.split}/')}", image)
            for label, (values, valid) in labels.items():
                self.fields[label].add(name, values[position], valid[position], image_contrast)
                for other, (known, here) in labels.items():
                    both = (values[position], valid[position]), (known[position], here[position])
                    if other != label and both[0][1].any() and both[1][1].any():
                        self.fields[label].relate(name, both[0], self.fields[other].modality, both[1])
                if twins is not None:
                    twins.add_label(label, values[position], valid[position])

    def statistics(self) -> SplitStatistics:
        """Return what was added up."""
        pixels = self.images * self.store.size[0] * self.store.size[1]
        return SplitStatistics(
            images=self.images,
            mean_image=self.mean / self.images,
            fields={name: sums.statistics(pixels) for name, sums in self.fields.items()},
            image=self.image.statistics(pixels),
        )


class _FieldSums:
    """Adds up one field of a split."""

    def __init__(self, modality: Modality) -> None:
        self.modality = modality
        self.pixels = 0
        self.without: list[str] = []
        self.histogram = modality.histogram(np.zeros((0, *modality.shape), modality.dtype))
        self.medians: list[float] = []
        self.observed: dict[str, dict[str, float]] = defaultdict(dict)
        self.alignment = Alignment()

    def add(self, name: str, values: Array, valid: Mask, image: Contrast | None = None) -> None:
        """Add the values of one image; for a label, the contrast of the image too."""
        if not valid.any():
            self.without.append(name)
            return
        pixels = values[valid]
        self.pixels += len(pixels)
        self.histogram += self.modality.histogram(pixels)
        median = self.modality.median(pixels)
        if median is not None:
            self.medians.append(median)
        for what, number in self.modality.observe(values, valid).items():
            self.observed[what][name] = number
        edges = None if image is None else self.modality.edges(values, valid)
        if image is not None and edges is not None:
            self.alignment.add(name, image, edges)

    def relate(self, name: str, label: tuple[Array, Mask], other: Modality, known: tuple[Array, Mask]) -> None:
        """Add what one image's label says together with that of another field."""
        for what, number in self.modality.relate(*label, other, known).items():
            self.observed[what][name] = number

    def statistics(self, pixels: int) -> FieldStatistics:
        """Return what was added up of a split of so many pixels."""
        median = float(np.median(self.medians)) if self.medians else None
        return FieldStatistics(
            self.pixels / pixels, self.without, self.histogram, median, dict(self.observed), self.alignment
        )


def _warnings(split: str, statistics: SplitStatistics, manifest: Manifest) -> list[str]:
    """Return what is implausible about one split."""
    fields, vanished = manifest.fields, manifest.vanished.get(split, {})
    warnings = []
    for name, one in {IMAGE: statistics.image, **statistics.fields}.items():
        if one.valid:
            sentences = [*fields[name].implausible(one.histogram, one.median), *fields[name].judge(one.observed)]
            sentences += fields[name].judge_vanished(vanished.get(name, {}))
            sentences += one.alignment.warnings()
            warnings += [f"{split}, {name}: {text}" for text in sentences]
    for name, one in statistics.fields.items():
        if one.without:
            warnings.append(
                f"{split}: {len(one.without)} of {statistics.images} images have no pixel with a {name} label, such as "
                f"{one.without[0]}: check that its label is there under the image's name, and that not all its values "
                "count as invalid"
            )
        elif one.valid < 0.1:
            warnings.append(
                f"{split}: only {100 * one.valid:.1f} % of the pixels have a {name} label: check which values count as "
                "invalid"
            )
    return warnings


def _remarks(split: str, statistics: SplitStatistics, manifest: Manifest) -> list[str]:
    """Return what is worth knowing about one split and no fault."""
    every = {IMAGE: statistics.image, **statistics.fields}.items()
    return [
        f"{split}, {name}: {text}"
        for name, one in every
        if one.valid
        for text in manifest.fields[name].remark(one.observed)
    ]


def _compare(findings: Findings) -> list[str]:
    """Return what is implausible about the splits together."""
    warnings = []
    for name, modality in findings.fields.items():
        fields = {split: statistics.fields[name] for split, statistics in findings.splits.items()}
        counts = {split: one.histogram for split, one in fields.items() if one.valid}
        if counts:
            warnings += [f"{name}: {text}" for text in modality.compare(counts)]
    return warnings


def _split(name: str) -> str:
    return name.partition("/")[0]


def _digest(*arrays: Array) -> bytes:
    digest = hashlib.blake2b(digest_size=16)
    for array in arrays:
        digest.update(np.ascontiguousarray(array).data)
    return digest.digest()
