"""Write a packed store, sample by sample."""

import io
import json
import math
import os
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from taskscape.batch import Sample
from taskscape.data.manifest import IMAGE, MANIFEST, UNFINISHED, FileInfo, Manifest, file_of
from taskscape.files import atomic_write, require_room, writing
from taskscape.files.paths import check_inside
from taskscape.modalities import Modality, Rgb
from taskscape.modalities.base import Array, Mask
from taskscape.serialization import agreeing, counted, keep_code, nearest

_DONE = "done{}.jsonl"
"""One line [index, *written] per complete sample. Machines that write a store together have a file each, since network
file systems mix what different machines append."""
_Vanished = dict[str, dict[str, tuple[int, int]]]


class _Written(NamedTuple):
    """A complete sample."""

    name: str
    vanished: _Vanished
    """What its labels lost when they were resized."""
    inputs: dict[str, Any]
    """Description of the files from which it was made."""


class StoreWriter:
    """Writer of a store, sample by sample in any order; an interrupted store can be resumed.

    One process makes the writer; others may then make theirs with the same arguments and ``put`` other samples. When
    nothing is ``missing``, one of them calls ``finish``. Only one sample is held in memory.

    Args:
        path: The folder of the store. It is created, or resumed if it holds the same store, unfinished.
        size: (H, W) of every image and label.
        counts: Number of images per split.
        fields: The labels by name; the field ``image`` need not be listed.
        source: Origin of the samples, for the manifest; JSON-serializable values.
        shard: Number of images per file; by default one file per split and field.
        portion: Name of this machine's part, if several machines write the store.

    Raises:
        ValueError: The folder holds something else, or an argument is invalid.
        OSError: The disk is full or not writable.

    >>> from tempfile import TemporaryDirectory
    >>> from taskscape.data.store import Store
    >>> from taskscape.modalities import Depth
    >>> values = {"image": np.zeros((4, 6, 3), np.uint8), "depth": np.full((4, 6), 2.5, np.float32)}
    >>> with TemporaryDirectory() as folder:
    ...     writer = StoreWriter(Path(folder) / "store", (4, 6), {"train": 1}, {"depth": Depth()}, {"kind": "mine"})
    ...     writer.put("train", 0, Sample(values, {"depth": np.ones((4, 6), bool)}, "first"))
    ...     writer.finish()
    ...     store = Store.open(Path(folder) / "store", "train")
    ...     print(len(store), store.size, list(store.fields))
    1 (4, 6) ['depth']
    """

    def __init__(
        self,
        path: Path,
        size: tuple[int, int],
        counts: Mapping[str, int],
        fields: Mapping[str, Modality],
        source: Mapping[str, Any],
        shard: int | None = None,
        portion: str = "",
    ) -> None:
        for name, modality in fields.items():
            if not isinstance(modality, Modality):
                raise ValueError(
                    f"field {name} is {modality!r}: give its modality, such as taskscape.modalities.Depth()"
                )
        self.path, self._done = path, _DONE.format(f"-{portion}" if portion else "")
        self.manifest = Manifest(
            size=(size[0], size[1]),
            counts=dict(counts),
            fields={IMAGE: Rgb(), **fields},
            source=json.loads(json.dumps(dict(source))),  # as it will be read back
            shard=max(counts.values(), default=1) if shard is None else shard,
        )
        plan = path / UNFINISHED
        for entry in path.rglob("*"):
            if entry.is_symlink():  # writing through it would write elsewhere
                check_inside(path, entry)
        if plan.exists():
            if Manifest.load(plan) != self.manifest:
                raise ValueError(f"{path} holds another store, unfinished: delete it or choose another folder")
        elif path.exists() and any(entry.suffix != ".part" for entry in path.iterdir()):  # left by a killed process
            if (path / MANIFEST).exists():
                raise ValueError(f"{path} holds a store: delete it or choose another folder")
            raise ValueError(f"{path} is not empty and holds no store: choose another folder")
        else:
            require_room(path, self._num_bytes(), "the store")
            with writing(path):
                path.mkdir(parents=True, exist_ok=True)
            self.manifest.save(plan)
        self._create()

    def _num_bytes(self) -> int:
        """Return the size of all arrays in bytes."""
        per_image = sum(
            math.prod((*self.manifest.size, *modality.shape)) * np.dtype(modality.dtype).itemsize
            for modality in self.manifest.fields.values()
        )
        return per_image * sum(self.manifest.counts.values())

    def _create(self) -> None:
        """Create the missing files at their final size."""
        for split in self.manifest.counts:
            with writing(self.path / split):
                (self.path / split).mkdir(exist_ok=True)
            for shard, indices in enumerate(self.manifest.shards(split)):
                for name, modality in self.manifest.fields.items():
                    shape = (len(indices), *self.manifest.size, *modality.shape)
                    _create_array(self.path / file_of(split, name, shard), shape, modality.dtype)

    def _written(self, split: str) -> dict[int, _Written]:
        """Return the complete samples by index."""
        written = {}
        texts = (record.read_text("utf-8", "replace") for record in self._records(split))
        for line in (line for text in texts for line in text.splitlines()):
            try:
                index, name, losses, *inputs = json.loads(line)
                vanished = {
                    field: {category: (int(pixels), int(lost)) for category, (pixels, lost) in categories.items()}
                    for field, categories in losses.items()
                }
                entry = _Written(name, vanished, dict(*inputs))
            except (ValueError, TypeError, AttributeError, RecursionError):
                continue  # an empty line, or one torn by a kill: that sample is written again
            if type(index) is int and index in range(self.manifest.counts[split]) and isinstance(name, str):
                written[index] = entry
        return written

    def _records(self, split: str) -> list[Path]:
        return sorted((self.path / split).glob(_DONE.format("*")))

    def missing(self, split: str) -> list[int]:
        """Return the indices that no process has ``put`` yet."""
        written = self._written(split)
        return [index for index in range(self.manifest.counts[split]) if index not in written]

    def inputs(self, split: str) -> dict[int, dict[str, Any]]:
        """Return, by index, the ``inputs`` with which each sample was ``put``."""
        return {index: entry.inputs for index, entry in self._written(split).items()}

    def put_again(self, split: str, indices: Collection[int]) -> None:
        """Mark these samples as ``missing``, so that they are ``put`` again."""
        written = {index: entry for index, entry in self._written(split).items() if index not in indices}
        lines = "".join("\n" + json.dumps([index, *entry]) for index, entry in written.items())
        records = self._records(split)
        atomic_write(self.path / split / self._done, lines)
        for record in records:
            if record.name != self._done:
                record.unlink()

    def put(
        self,
        split: str,
        index: int,
        sample: Sample,
        stored: Mapping[str, Array] | None = None,
        inputs: Mapping[str, Any] | None = None,
    ) -> None:
        """Write one sample. A label that it lacks is stored without any valid pixel.

        ``stored`` holds fields that are packed already (``Store.stored``); they are written unchanged. ``inputs``,
        plain values, are kept until the store is finished.

        Raises:
            ValueError: The sample cannot be stored; the message names the sample, the field and the remedy.
            OSError: For example, the disk is full.
        """
        if split not in self.manifest.counts:
            raise ValueError(f"there is no split {split!r}{nearest(split, self.manifest.counts)}")
        if not 0 <= index < self.manifest.counts[split]:
            raise ValueError(f"index {index} is outside split {split!r} of {self.manifest.counts[split]} images")
        shard = index // self.manifest.shard
        rows_from_the_end = min((shard + 1) * self.manifest.shard, self.manifest.counts[split]) - index
        for name, array in self._packed(sample, stored or {}, f"sample {sample.name!r} ({split} {index})").items():
            path = self.path / file_of(split, name, shard)
            # Not through a memory map, where a full disk would raise a bus error.
            with writing(path), path.open("r+b") as file:
                file.seek(-rows_from_the_end * array.nbytes, os.SEEK_END)
                file.write(array.tobytes())
        vanished = {
            name: self.manifest.fields[name].lost_pixels(original, (sample.values[name], sample.valid[name]))
            for name, original in (sample.originals or {}).items()
        }
        record = self.path / split / self._done
        with writing(record), record.open("a", encoding="utf-8") as lines:
            # A single write in append mode keeps lines of different processes apart; the leading newline ends a torn
            # line.
            lines.write("\n" + json.dumps([index, *_Written(sample.name, vanished, dict(inputs or {}))]))

    def _packed(self, sample: Sample, stored: Mapping[str, Array], where: str) -> dict[str, Array]:
        """Return the packed form of every field. Raises ``ValueError`` whose message begins with ``where``."""
        if unknown := sorted(sample.values.keys() - self.manifest.fields.keys()):
            raise ValueError(f"{where}: the store has no field {unknown}: name it when the store is made")
        packed = {}
        for name, modality in self.manifest.fields.items():
            try:
                if name in stored:
                    packed[name] = self._checked(modality, stored[name])
                else:
                    packed[name] = self._pack(modality, sample.values.get(name), sample.valid.get(name))
            except ValueError as error:
                raise ValueError(f"{where}, field {name}: {error}") from error
        return packed

    def _checked(self, modality: Modality, stored: Array) -> Array:
        """Return a packed field. Raises ``ValueError`` if it would not fill exactly its place in the file."""
        shape = (*self.manifest.size, *modality.shape)
        if stored.shape != shape or stored.dtype != modality.dtype:
            raise ValueError(f"the packed form is {stored.dtype} {stored.shape} instead of {modality.dtype} {shape}")
        return stored

    def _pack(self, modality: Modality, values: Array | None, valid: Mask | None) -> Array:
        size = self.manifest.size
        if values is None:
            return modality.empty(size)
        for noun, array in (("values are", values), ("mask is", valid)):
            if not isinstance(array, np.ndarray | None):
                raise ValueError(
                    f"the {noun} of type {type(array).__name__}: return a NumPy array, as numpy.asarray gives it"
                )
        if valid is None and modality.sentinel is None:
            valid = np.ones(size, np.bool_)
        if valid is None or valid.shape != size or valid.dtype != np.bool_:
            actual = "missing" if valid is None else f"{valid.dtype} {valid.shape}"
            raise ValueError(
                f"the mask is {actual} instead of bool {size} like the image: say for every pixel whether it has a "
                "label"
            )
        return modality.pack(values, valid)

    def finish(self) -> None:
        """Check that nothing is missing, compute the checksums and write the manifest.

        Raises ``ValueError`` if samples are missing.
        """
        names, files, blocks, vanished = {}, {}, {}, {}
        for split, count in self.manifest.counts.items():
            written = self._written(split)
            if missing := count - len(written):
                images, are = counted(missing, "image", "images"), agreeing(missing, "is", "are")
                raise ValueError(f"{self.path}: {images} of {split!r} {are} missing: put them first")
            names[split] = [written[index].name for index in range(count)]
            if split_vanished := _sum_vanished(entry.vanished for entry in written.values()):
                vanished[split] = split_vanished
            for shard in range(len(self.manifest.shards(split))):
                for name in self.manifest.fields:
                    file = file_of(split, name, shard)
                    with writing(self.path / file), (self.path / file).open("r+b") as data:
                        os.fsync(data.fileno())
                    files[file], blocks[file] = FileInfo.with_blocks(self.path / file)
        finished = replace(self.manifest, names=names, files=files, blocks=blocks, vanished=vanished)
        keep_code(finished, self.path)
        finished.save(self.path / MANIFEST)
        for split in names:
            for record in self._records(split):
                record.unlink()
        (self.path / UNFINISHED).unlink()


def _sum_vanished(samples: Iterable[_Vanished]) -> _Vanished:
    """Return the sums over samples of what vanished, sorted by name."""
    sums: dict[str, dict[str, tuple[int, int]]] = defaultdict(dict)
    for vanished in samples:
        for field, categories in vanished.items():
            for category, (pixels, lost) in categories.items():
                total_pixels, total_lost = sums[field].get(category, (0, 0))
                sums[field][category] = total_pixels + pixels, total_lost + lost
    return {field: dict(sorted(categories.items())) for field, categories in sorted(sums.items())}


def _create_array(path: Path, shape: tuple[int, ...], dtype: str) -> None:
    """Create a sparse ``.npy`` file, which takes disk space only as it is filled. An existing file is kept."""
    header = io.BytesIO()
    descr = np.lib.format.dtype_to_descr(np.dtype(dtype))
    np.lib.format.write_array_header_1_0(header, {"descr": descr, "fortran_order": False, "shape": shape})
    if not path.exists():
        atomic_write(path, header.getvalue())
    with writing(path):
        os.truncate(path, header.tell() + int(np.prod(shape)) * np.dtype(dtype).itemsize)
