"""What a packed store holds, and the layout of its folder.

A store is a folder::

    manifest.json                  what it holds (Manifest); written last, so a store without one is unfinished
    SPLIT/FIELD-000.npy, -001, …   ``shard`` images each, (n, H, W, …)

with the fields ``image`` (uint8 RGB) and those of ``taskscape.modalities.fields``: ``semseg`` (uint8 ids, 255 = none),
``depth`` (float32 metres, 0 = none), ``normals`` (int8 127ths, (0, 0, 0) = none).
"""

import json
import zlib
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import cattrs

from taskscape.modalities.fields import FIELDS
from taskscape.files import atomic_write
from taskscape.modalities.class_sets import ClassSet

FORMAT = 1
"""Version of the layout; a store of another version is refused."""

MANIFEST = "manifest.json"
PLAN = "unfinished.json"
"""The manifest of a store that is being written."""


@dataclass(frozen=True)
class FieldInfo:
    """How a field's arrays are to be read."""

    dtype: str
    shape: tuple[int, ...]
    """What follows (N, H, W)."""
    unit: str
    sentinel: int | None
    """The value of pixels without a label; the image has none."""


@dataclass(frozen=True)
class FileInfo:
    """What a file must be to be whole."""

    bytes: int
    crc32: int

    @classmethod
    def of(cls, path: Path) -> "FileInfo":
        """Read a file through and return what it is now."""
        crc = 0
        with path.open("rb") as file:
            while block := file.read(1 << 24):
                crc = zlib.crc32(block, crc)
        return cls(path.stat().st_size, crc)


@dataclass(frozen=True)
class Manifest:
    """What a store holds."""

    size: tuple[int, int]
    """(H, W) of every image and label."""
    counts: dict[str, int]
    """Number of images per split."""
    fields: dict[str, FieldInfo]
    """``image`` and the label fields."""
    class_set: ClassSet | None
    """Of the class ids, if there are any."""
    source: dict[str, Any]
    """Where the samples come from: plain values, ``kind`` among them."""
    shard: int
    """Number of images per file; the last file of a split has what is left."""
    names: dict[str, list[str]] = field(default_factory=dict)
    """Per split: the name of each image in its source."""
    files: dict[str, FileInfo] = field(default_factory=dict)
    """Per file of the store."""
    format: int = FORMAT

    def __post_init__(self) -> None:
        """Check the numbers. Raises ``ValueError``."""
        if min(*self.size, *self.counts.values(), self.shard) < 1 or not self.counts:
            raise ValueError(f"a store of {self.counts} images of size {self.size}, {self.shard} a file: give all, > 0")

    @property
    def depth_scale_known(self) -> bool:
        """Return whether depth is in metres; if not, it is proportional to metres within an image only."""
        depth = self.source.get("depth")
        return not (isinstance(depth, dict) and depth.get("unit") == "unknown")

    def rows(self, split: str) -> list[int]:
        """Return the number of images in each shard of a split."""
        count = self.counts[split]
        return [min(self.shard, count - start) for start in range(0, count, self.shard)]

    def save(self, path: Path) -> None:
        """Write the manifest; a reader sees the old file or the new one, never half of one."""
        atomic_write(path, json.dumps(asdict(self), indent=1) + "\n")

    @classmethod
    def load(cls, path: Path) -> "Manifest":
        """Read a manifest. Raises ``ValueError`` where it is damaged or of another version."""
        try:
            content = json.loads(path.read_text())
            version = content["format"]
            manifest = cattrs.structure(content, cls) if version == FORMAT else None
        except Exception as error:  # cattrs raises groups of whatever a constructor raises
            raise ValueError(f"{path} is damaged ({error!r}): delete the store and make it again") from error
        known = infos(FIELDS)
        if manifest is None or any(info != known.get(name) for name, info in manifest.fields.items()):
            raise ValueError(
                f"{path} was made by another version of taskscape (format {version}, this one reads {FORMAT}): "
                "make the store again"
            )
        return manifest

    @classmethod
    def of(cls, store: Path) -> "Manifest":
        """Read the manifest of a store.

        Raises:
            FileNotFoundError: There is no such folder.
            ValueError: It is not a store, not finished, damaged or of another version.
        """
        if not store.is_dir():
            raise FileNotFoundError(f"{store} is not there: check the path, or make a store with `taskscape prepare`")
        if not (store / MANIFEST).exists():
            if (store / PLAN).exists():
                raise ValueError(f"{store} is unfinished: run what was making it again, it goes on where it stopped")
            raise ValueError(f"{store} is not a store, it has no {MANIFEST}: make one with `taskscape prepare`")
        return cls.load(store / MANIFEST)


def infos(tasks: Iterable[str]) -> dict[str, FieldInfo]:
    """Return how this version keeps the image and the labels of some tasks."""
    labels = {t: FieldInfo(FIELDS[t].dtype, FIELDS[t].shape, FIELDS[t].unit, FIELDS[t].sentinel) for t in tasks}
    return {"image": FieldInfo("uint8", (3,), "RGB, 0..255", None), **labels}


def file_of(split: str, name: str, shard: int) -> str:
    """Return where in the folder a shard of a field lies."""
    return f"{split}/{name}-{shard:03d}.npy"
