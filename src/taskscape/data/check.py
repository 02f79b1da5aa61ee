"""Plausibility checks of a packed store; each modality judges its own statistics."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from taskscape.data.manifest import IMAGE, Manifest
from taskscape.data.missing import by_missing_fields
from taskscape.data.sample import evenly_spread
from taskscape.data.statistics import SplitStatistics, SplitSums
from taskscape.data.store import Store
from taskscape.data.twins import Twins
from taskscape.modalities import Modality
from taskscape.progress import ProgressCallback
from taskscape.serialization import agreeing

_BATCH_SIZE = 16
"""Number of images in memory at a time."""
QUICK_IMAGES = 64
"""Largest number of images per split that ``quick`` reads."""
QUICK_PIXELS = 1 << 20
"""Approximate number of pixels per split that ``quick`` reads."""
_FEWEST_COMPARED = 8
"""Least number of images of each split by which ``quick`` compares them."""


@dataclass
class Findings:
    """Result of ``check``."""

    fields: Mapping[str, Modality]
    splits: dict[str, SplitStatistics] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    """Remarks that are worth knowing but indicate no fault."""


def check(path: str | Path, report: ProgressCallback | None = None) -> Findings:
    """Read a whole store, a few images at a time, verify its checksums, and return statistics, warnings and remarks.

    Warns about what the modalities find implausible in single images, in splits and between splits (images of one
    color, clipped or nearly black; classes that a split lacks; depth in an implausible unit, with spikes or with many
    pixels at one end; normals that face away; ...), about images without any label of a field, fields with few labels,
    labels that several images share, and duplicate and near-duplicate images, above all across splits.

    Raises ``FileNotFoundError`` or ``ValueError`` if the store is incomplete or damaged.
    """
    path = Path(path)
    manifest = Manifest.of(path)
    findings = Findings(manifest.labels)
    twins = Twins(manifest.labels)
    total, num_done = sum(manifest.counts.values()), 0
    for split in manifest.counts:
        store = Store.open(path, split, verify=True)
        sums = SplitSums(store, tuple(store.fields))
        for start in range(0, len(store), _BATCH_SIZE):
            indices = range(start, min(start + _BATCH_SIZE, len(store)))
            sums.add(indices, twins)
            num_done += len(indices)
            if report is not None:
                report(num_done, total)
        findings.splits[split] = sums.statistics()
        findings.warnings += _warnings(split, findings.splits[split], manifest)
        findings.remarks += _remarks(split, findings.splits[split], manifest)
    findings.warnings += _compare(findings)
    findings.warnings += twins.warnings()
    return findings


def quick(stores: Mapping[str, Store], fields: Collection[str], said: Collection[str] = ()) -> list[str]:
    """Return warnings about a sample of each split's images and of these labels, in less than a second.

    Images are not compared with each other, and splits only by quantities that have a median, in which a sample is
    enough; ``check`` does the rest. Images without labels are not named for the fields in ``said``, for which the user
    knows them already.
    """
    warnings = []
    findings: dict[str, Findings] = {}
    for split, split_store in stores.items():
        for name, store, used_fields in split_store.parts:
            pixels = store.size[0] * store.size[1]
            count = min(QUICK_IMAGES, max(QUICK_PIXELS // pixels, 2))
            sums = SplitSums(store, tuple(field for field in store.fields if field in fields and field in used_fields))
            indices = evenly_spread(len(store), count).tolist()
            for start in range(0, len(indices), _BATCH_SIZE):
                sums.add(indices[start : start + _BATCH_SIZE])
            statistics = sums.statistics()
            messages = _warnings(split, statistics, store.manifest, said)
            warnings += [f"{name}, {warning}" for warning in messages] if name else messages
            if statistics.images >= _FEWEST_COMPARED:
                findings.setdefault(name, Findings(store.fields)).splits[split] = statistics
    for name, part in findings.items():
        messages = _compare(part, sampled=True)
        warnings += [f"{name}, {warning}" for warning in messages] if name else messages
    return warnings


def require_labels(store: Store, fields: Collection[str]) -> None:
    """Raise ``ValueError`` unless each of these labels has a valid pixel somewhere in the split.

    Images are read until every label has been found, usually in the first few.
    """
    missing = [name for name in store.fields if name in fields and not _has_label(store, name)]
    if missing:
        raise ValueError(
            f"no pixel of {store.path}, {store.split}, has {' or '.join(missing)} labels, so nothing can be "
            "learned from them: leave the task out, or prepare the store again with its labels"
        )


def require_measurable(store: Store, fields: Collection[str]) -> None:
    """Raise ``ValueError`` unless one of these labels has a valid pixel somewhere in the split."""
    if not any(_has_label(store, name) for name in store.fields if name in fields):
        raise ValueError(
            f"no pixel of {store.path}, {store.split}, has {' or '.join(fields)} labels, so the best epoch cannot be "
            "chosen: label some of its images, divide the images into other splits, or choose another metric with "
            "--monitor"
        )


def _has_label(store: Store, field: str) -> bool:
    """Return whether any image of a split has a valid pixel of a field."""
    labeled = store.labeled_images(field)
    return any(
        store.gather(indices, [field], torch.device("cpu")).targets[field].valid.any()
        for indices in np.split(labeled, range(_BATCH_SIZE, len(labeled), _BATCH_SIZE))
        if len(indices)
    )


def _warnings(split: str, statistics: SplitStatistics, manifest: Manifest, said: Collection[str] = ()) -> list[str]:
    """Return the warnings about one split; images without labels are not named for the fields in ``said``."""
    fields, vanished = manifest.fields, manifest.vanished.get(split, {})
    warnings = []
    for name, stats in {IMAGE: statistics.image, **statistics.fields}.items():
        if stats.valid:
            sentences = [
                *fields[name].histogram_warnings(stats.histogram, stats.median),
                *fields[name].statistics_warnings(stats.observed),
            ]
            sentences += fields[name].lost_pixels_warnings(vanished.get(name, {}))
            sentences += stats.alignment.warnings()
            warnings += [f"{split}, {name}: {text}" for text in sentences]
    unlabeled = {name: stats.without for name, stats in statistics.fields.items() if name not in said}
    for missing, names in by_missing_fields(unlabeled).items():
        warnings.append(
            f"{split}: {len(names)} of {statistics.images} images {agreeing(len(names), 'has', 'have')} no pixel with "
            f"{' or '.join(missing)} labels, such as {names[0]}: check that "
            f"{agreeing(len(missing), 'its label exists', 'its labels exist')} under the image's name, and that not "
            "all values count as invalid"
        )
    for name, stats in statistics.fields.items():
        if not stats.without and stats.valid < 0.1:
            warnings.append(
                f"{split}: only {100 * stats.valid:.1f} % of the pixels have {name} labels: check which values count "
                "as invalid"
            )
    return warnings


def _remarks(split: str, statistics: SplitStatistics, manifest: Manifest) -> list[str]:
    """Return the remarks about one split."""
    field_items = {IMAGE: statistics.image, **statistics.fields}.items()
    return [
        f"{split}, {name}: {text}"
        for name, stats in field_items
        if stats.valid
        for text in manifest.fields[name].statistics_remarks(stats.observed)
    ]


def _compare(findings: Findings, sampled: bool = False) -> list[str]:
    """Return the warnings that come from comparing the splits; of a sample, only quantities that have a median."""
    warnings = []
    for name, modality in findings.fields.items():
        by_split = {split: stats.fields[name] for split, stats in findings.splits.items() if name in stats.fields}
        counts = {
            split: stats.histogram
            for split, stats in by_split.items()
            if stats.valid and not (sampled and stats.median is None)
        }
        if counts:
            warnings += [f"{name}: {text}" for text in modality.split_warnings(counts)]
    return warnings
