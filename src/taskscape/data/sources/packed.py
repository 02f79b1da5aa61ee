"""An existing packed store."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from typing_extensions import override

from taskscape.data.manifest import Manifest
from taskscape.data.sources.base import DataSource, Preview
from taskscape.data.store import Store
from taskscape.progress import ProgressCallback


@dataclass(frozen=True)
class Packed(DataSource):
    """A packed store, made by ``taskscape prepare``."""

    name: ClassVar[str] = "packed"

    path: Path
    """Folder of the store, which holds manifest.json."""
    verify: bool = False
    """Read every byte first and compare it with the checksums."""

    @override
    def open(self, report: ProgressCallback | None = None) -> dict[str, Store]:
        return {split: Store.open(self.path, split, self.verify) for split in Manifest.of(self.path).counts}

    @override
    def preview(self) -> Preview:
        manifest = Manifest.of(self.path)
        return Preview(str(self.path), manifest.labels, manifest.counts)
