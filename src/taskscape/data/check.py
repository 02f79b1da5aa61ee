"""What a packed store holds in numbers, and what looks wrong about it."""

import hashlib
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from taskscape.data.manifest import Manifest
from taskscape.data.sources.base import Report
from taskscape.data.store import Store
from taskscape.modalities.class_sets import ClassSet

PLAUSIBLE = (0.3, 150.0)
"""Metres between which the median of a split's depth lies, of a room or a street."""
EDGES = np.array([0.0, *2.0 ** np.arange(-2, 9), np.inf])
"""Of the depth histogram: octaves from 0.25 m to 256 m, and what lies outside."""
_AT_ONCE = 16


@dataclass
class SplitStatistics:
    """What one split holds. ``check`` fills it."""

    images: int
    mean_image: npt.NDArray[np.float64]
    """(H, W, 3) RGB in 0..1."""
    valid: dict[str, float]
    """Per task: share of pixels with a label."""
    without: dict[str, list[str]]
    """Per task: names of the images without a single labelled pixel."""
    classes: npt.NDArray[np.int64]
    """Pixels per class id, (256,)."""
    depths: npt.NDArray[np.int64]
    """Pixels per bin of ``EDGES``."""
    median_depth: float | None
    """Metres: the median over the images of each one's median."""


@dataclass
class Findings:
    """What ``check`` found."""

    splits: dict[str, SplitStatistics]
    class_set: ClassSet | None
    depth_scale_known: bool
    """Whether depth is in metres; if not, the median of every image is 1."""
    warnings: list[str] = field(default_factory=list)


def check(path: Path, report: Report | None = None) -> Findings:
    """Read a whole store, with its checksums, a few images at a time, and return what it holds.

    Warned of: ids outside the class set, classes that never occur, depth in an implausible unit, images without any
    label of a task, tasks with few labels, and images that occur twice, above all in two splits.

    Raises ``FileNotFoundError`` or ``ValueError`` where the store is not whole.
    """
    manifest = Manifest.of(path)
    findings = Findings({}, manifest.class_set, manifest.depth_scale_known)
    seen: dict[bytes, list[str]] = defaultdict(list)
    total, done = sum(manifest.counts.values()), 0
    for split in manifest.counts:
        store = Store.open(path, split, verify=True)
        gathered = _Sums(store)
        for start in range(0, len(store), _AT_ONCE):
            indices = range(start, min(start + _AT_ONCE, len(store)))
            for index, digest in zip(indices, gathered.add(indices), strict=True):
                seen[digest].append(f"{split}/{store.names[index]}")
            done += len(indices)
            if report is not None:
                report(done, total)
        findings.splits[split] = gathered.statistics()
        findings.warnings += _warnings(split, findings.splits[split], store)
    findings.warnings += _twice(list(seen.values()))
    return findings


class _Sums:
    """Adds up one split."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.image = np.zeros((*store.size, 3))
        self.pixels: dict[str, int] = dict.fromkeys(store.tasks, 0)
        self.without: dict[str, list[str]] = {task: [] for task in store.tasks}
        self.classes = np.zeros(256, np.int64)
        self.depths = np.zeros(len(EDGES) - 1, np.int64)
        self.medians: list[float] = []

    def add(self, indices: range) -> list[bytes]:
        """Add some images, and return a digest of each."""
        batch = self.store.gather(indices, self.store.tasks, torch.device("cpu"))
        images = batch.image.permute(0, 2, 3, 1).numpy()
        self.image += images.sum(0, dtype=np.float64)
        for task, (values, masks) in batch.targets.items():
            for index, value, mask in zip(indices, values.numpy(), masks.numpy(), strict=True):
                self.pixels[task] += int(mask.sum())
                if not mask.any():
                    self.without[task].append(self.store.names[index])
                elif task == "semseg":
                    self.classes += np.bincount(value[mask], minlength=256)
                elif task == "depth":
                    metres = value[0][mask]
                    self.depths += np.histogram(metres, EDGES)[0]
                    self.medians.append(float(np.median(metres)))
        return [hashlib.blake2b(image.tobytes(), digest_size=16).digest() for image in images]

    def statistics(self) -> SplitStatistics:
        """Return what was added up."""
        count = len(self.store)
        pixels = count * self.store.size[0] * self.store.size[1]
        return SplitStatistics(
            images=count,
            mean_image=self.image / count,
            valid={task: n / pixels for task, n in self.pixels.items()},
            without=self.without,
            classes=self.classes,
            depths=self.depths,
            median_depth=float(np.median(self.medians)) if self.medians else None,
        )


def _warnings(split: str, found: SplitStatistics, store: Store) -> list[str]:
    warnings = []
    if store.class_set is not None and found.classes.any():
        ids = np.flatnonzero(found.classes)
        if outside := ids[ids >= len(store.class_set)].tolist():
            warnings.append(
                f"{split}: ids {outside} are outside class set {store.class_set.name!r}: make the store again"
            )
        if absent := [name for name, n in zip(store.class_set.classes, found.classes, strict=False) if n == 0]:
            warnings.append(f"{split}: no pixel is {', '.join(absent)}: is it the right class set, the right split?")
    nearest, farthest = PLAUSIBLE
    if found.median_depth is not None and not nearest <= found.median_depth <= farthest and store.depth_scale_known:
        warnings.append(
            f"{split}: the median depth is {found.median_depth:.3g} m, not {nearest:g} … {farthest:g} m as in rooms "
            "and streets: check the unit it was prepared with"
        )
    for task, names in found.without.items():
        if names:
            warnings.append(
                f"{split}: {len(names)} of {found.images} images have no {task} label at all, such as {names[0]}"
            )
        elif found.valid[task] < 0.1:
            warnings.append(f"{split}: only {100 * found.valid[task]:.1f} % of the pixels have a {task} label")
    return warnings


def _twice(groups: list[list[str]]) -> list[str]:
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
