"""The manifest of a packed store, and the layout of its folder.

A store is a folder::

    manifest.json                  its contents (Manifest); written last, so a store without one is unfinished
    SPLIT/FIELD-000.npy, -001, …   ``shard`` images each, (n, H, W, …)
    code/                          copies of user files that define modalities, if there are any

A field is an array with one entry per pixel of every image; the image itself is a field too. Field names are free; the
manifest gives the modality of each, which defines how its arrays are read.
"""

import hashlib
import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from taskscape.data.place import MANIFEST as MANIFEST
from taskscape.data.place import UNFINISHED as UNFINISHED
from taskscape.data.place import require_store
from taskscape.files import atomic_write
from taskscape.files.paths import is_file_name
from taskscape.modalities import Modality, Rgb
from taskscape.modalities.format_1 import fields_of_format_1
from taskscape.serialization import structure, unstructure
from taskscape.serialization.plain import read_json

FORMAT = 2
"""Version of the layout. Stores of format 1 can be read too; other formats are refused."""

IMAGE = "image"
"""The field of a network's input; all other fields are labels."""
BLOCK = 1 << 20
"""Size of a block in bytes. Each block has its own checksum, so parts of a large file can be verified."""
_CHECKSUM = "crc32"
"""The key of the checksum of the manifest itself."""


@dataclass(frozen=True)
class FileInfo:
    """Size and checksum of a file."""

    bytes: int
    crc32: int

    @classmethod
    def of(cls, path: Path) -> "FileInfo":
        """Read a file and return its current size and checksum."""
        return cls.with_blocks(path)[0]

    @classmethod
    def with_blocks(cls, path: Path) -> tuple["FileInfo", str]:
        """Read a file; return its size and checksum, and the CRC-32 of each block, eight hexadecimal digits each."""
        crc, size, blocks = 0, 0, []
        with path.open("rb") as file:
            while block := file.read(BLOCK):
                crc, size = zlib.crc32(block, crc), size + len(block)
                blocks.append(f"{zlib.crc32(block):08x}")
        return cls(size, crc), "".join(blocks)


@dataclass(frozen=True)
class Manifest:
    """Contents of a store."""

    size: tuple[int, int]
    """(H, W) of every image and label."""
    counts: dict[str, int]
    """Number of images per split."""
    fields: dict[str, Modality]
    """The image and the labels, by name."""
    source: dict[str, Any]
    """Origin of the samples: plain values, among them ``kind``."""
    shard: int
    """Number of images per file; the last file of a split has the remainder."""
    names: dict[str, list[str]] = field(default_factory=dict)
    """Per split: the name of each image in its source."""
    files: dict[str, FileInfo] = field(default_factory=dict)
    """Per file of the store: its size and checksum."""
    blocks: dict[str, str] = field(default_factory=dict)
    """Per file of the store: the CRC-32 of each block of ``BLOCK`` bytes, eight hexadecimal digits each. Empty in
    stores of earlier versions."""
    vanished: dict[str, dict[str, dict[str, tuple[int, int]]]] = field(default_factory=dict)
    """Per split, field and class (or another category of the modality): the number of pixels before the labels were
    resized, and how many of these were lost."""
    format: int = FORMAT

    def __post_init__(self) -> None:
        """Check the values. Raises ``ValueError``."""
        if not self.counts or min(*self.size, *self.counts.values(), self.shard) < 1:
            raise ValueError(
                f"a store of {self.counts} images of size {self.size}, {self.shard} per file: all must be > 0"
            )
        if not isinstance(self.fields.get(IMAGE), Rgb):
            raise ValueError(f"a store needs the field {IMAGE!r} of modality Rgb")
        for kind, names in (("split", self.counts), ("field", self.fields)):
            for name in names:
                if not is_file_name(name):
                    raise ValueError(f"the {kind} {name!r} cannot be part of a file's name: give it another name")

    @property
    def labels(self) -> dict[str, Modality]:
        """All fields except the image."""
        return {name: modality for name, modality in self.fields.items() if name != IMAGE}

    def shards(self, split: str) -> list[range]:
        """Return the indices of the images in each shard of a split."""
        count = self.counts[split]
        return [range(start, min(start + self.shard, count)) for start in range(0, count, self.shard)]

    def save(self, path: Path) -> None:
        """Write the manifest atomically: readers get the old file or the new one, never a partial one."""
        content = unstructure(self)
        atomic_write(path, json.dumps({**content, _CHECKSUM: _crc32(content)}, indent=1) + "\n")

    @property
    def fingerprint(self) -> str:
        """Identifier of the data, independent of their location and origin: 16 hexadecimal digits.

        It covers the image size, the names and modalities of the fields, the names of the images, and every byte of the
        files.
        """
        fields = unstructure(self.fields)
        for modality in fields.values():  # a user-defined class is named by its file, which may lie anywhere
            modality["type"] = modality["type"].rpartition(":")[2]
        files = {name: (info.bytes, info.crc32) for name, info in self.files.items()}
        content = json.dumps([self.size, self.counts, fields, self.names, files], sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()[:16]

    @classmethod
    def load(cls, path: Path) -> "Manifest":
        """Read a manifest. Raises ``ValueError`` if it is damaged, of another version, or lacks a modality's code."""
        try:
            content = read_json(path)
            version = content["format"]
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"{path} is damaged ({error!r}): delete the store and make it again") from error
        expected = content.pop(_CHECKSUM, None)  # earlier versions wrote none
        if expected is not None and version == FORMAT and expected != _crc32(content):
            raise ValueError(
                f"{path} is damaged, its checksum differs: copy the store again or make it again; if you have changed "
                f"the file yourself, remove the line {_CHECKSUM!r} from it"
            )
        if version not in (1, FORMAT):
            raise ValueError(
                f"{path} was made by another version of taskscape (format {version}, this one reads 1 and {FORMAT}): "
                "make the store again"
            )
        try:
            content = _upgraded(content, str(path)) if version == 1 else content
            return structure(content, str(path), cls, kept_code=False)  # opening data runs no code from their folder
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            if "there is no Python file" in str(error) and (path.parent / "code").is_dir():
                raise ValueError(
                    f"{error}; {path.parent / 'code'} has a copy of it: copy that here, after reading what it does"
                ) from error
            raise ValueError(f"{error}; if {path} is damaged, delete the store and make it again") from error

    @classmethod
    def of(cls, store: Path) -> "Manifest":
        """Read the manifest of a store.

        Raises:
            FileNotFoundError: The folder does not exist.
            ValueError: It is not a store, not finished, damaged or of another version.
        """
        require_store(store)
        manifest = cls.load(store / MANIFEST)
        for split, count in manifest.counts.items():  # bounds the counts by the size of the file
            if len(manifest.names.get(split, ())) != count:
                raise ValueError(
                    f"{store / MANIFEST} is damaged: it has {len(manifest.names.get(split, ()))} names for the {count} "
                    f"images of {split!r}; delete the store and make it again"
                )
        return manifest


def _upgraded(content: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Return the content of a manifest of format 1, converted to the current format."""
    fields = unstructure(fields_of_format_1(content, where))
    return {key: value for key, value in content.items() if key != "class_set"} | {"fields": fields, "format": FORMAT}


def _crc32(content: Mapping[str, Any]) -> int:
    return zlib.crc32(json.dumps(content, sort_keys=True).encode())


def file_of(split: str, field: str, shard: int) -> str:
    """Return the path of a field's shard within the store."""
    return f"{split}/{field}-{shard:03d}.npy"
