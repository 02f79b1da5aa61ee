"""A packed store that is already there."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from taskscape.data.manifest import Manifest
from taskscape.data.sources.base import DataSource, Report
from taskscape.data.store import Store


@dataclass(frozen=True)
class Packed(DataSource):
    """A packed store, made by ``taskscape prepare``."""

    name: ClassVar[str] = "packed"

    path: Path
    """The folder of the store, the one that holds manifest.json."""
    verify: bool = False
    """Read every byte first and compare it with the checksums."""

    def open(self, report: Report | None = None) -> dict[str, Store]:
        """Map every split of the store."""
        return {split: Store.open(self.path, split, self.verify) for split in Manifest.of(self.path).counts}
