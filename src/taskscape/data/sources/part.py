"""A subset of a packed store at half its resolution."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from typing_extensions import override

from taskscape.batch import Sample
from taskscape.data.manifest import Manifest
from taskscape.data.sources.base import DataSource, Preview
from taskscape.data.sources.cached import make_once
from taskscape.data.store import Store
from taskscape.data.writer import StoreWriter
from taskscape.files import cache_folder
from taskscape.modalities.base import Array
from taskscape.progress import ProgressCallback
from taskscape.serialization.ranges import Count

_CPU = torch.device("cpu")


@dataclass(frozen=True)
class Part(DataSource):
    """Evenly spread images of a packed store at half the resolution, for trials: made once and kept in the cache."""

    name: ClassVar[str] = "part"

    path: Path
    """Folder of the store, which holds manifest.json."""
    train: Count = 240
    """Maximum number of training images."""
    val: Count = 60
    """Maximum number of validation images."""

    @override
    def preview(self) -> Preview:
        manifest = Manifest.of(self.path)
        return Preview(str(self.path), manifest.labels, self._counts(manifest))

    @override
    def open(self, report: ProgressCallback | None = None) -> dict[str, Store]:
        """Return the stores for training and validation; make them first if necessary.

        If several processes need them, one makes them and the others wait. An interrupted run resumes.
        """
        manifest = Manifest.of(self.path)
        counts = self._counts(manifest)
        key = f"part-{manifest.fingerprint}" + "".join(f"-{split}{count}" for split, count in counts.items())
        path = cache_folder() / key
        make_once(path, lambda: self._make(path, manifest, counts, report))
        return {split: Store.open(path, split) for split in counts}

    def _counts(self, manifest: Manifest) -> dict[str, int]:
        limits = {"train": self.train, "val": self.val}
        return {
            split: min(count, manifest.counts[split]) for split, count in limits.items() if split in manifest.counts
        }

    def _make(self, path: Path, manifest: Manifest, counts: Mapping[str, int], report: ProgressCallback | None) -> None:
        height, width = manifest.size
        source = {"kind": self.name, "of": manifest.source}
        writer = StoreWriter(path, (height // 2, width // 2), counts, manifest.labels, source)
        num_done, total = 0, sum(counts.values())
        for split, count in counts.items():
            store = Store.open(self.path, split)
            rows = np.linspace(0, len(store) - 1, count).round().astype(int)
            for index in writer.missing(split):
                image, labels = _halved(store, int(rows[index]))
                writer.put(split, index, Sample({"image": image}, {}, store.names[rows[index]]), labels)
            num_done += count
            if report is not None:
                report(num_done, total)
        writer.finish()


def _halved(store: Store, row: int) -> tuple[Array, dict[str, Array]]:
    """Return an image averaged to half its size, and every second pixel of its labels in packed form."""
    image = F.avg_pool2d(store.gather([row], (), _CPU).image, 2)[0].mul(255).round().byte().permute(1, 2, 0).numpy()
    height, width = image.shape[:2]
    stored = store.stored(row)
    return image, {name: stored[name][::2, ::2][:height, :width] for name in store.fields}
