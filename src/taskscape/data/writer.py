"""Writes a packed store, sample by sample."""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from taskscape.batch import Sample
from taskscape.modalities.fields import FIELDS
from taskscape.data.manifest import MANIFEST, PLAN, FileInfo, Manifest, file_of, infos
from taskscape.modalities.class_sets import ClassSet

_DONE = "done.jsonl"
"""A line [index, name] for every sample that is complete."""


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        remedy = "make room or choose another disk, and run it again: it goes on where it stopped"
        raise OSError(error.errno, f"writing {path} failed ({error.strerror}): {remedy}") from error


class StoreWriter:
    """Fills a store, sample by sample in any order; what was interrupted goes on where it stopped.

    One process makes the writer; others may then make theirs with the same arguments and ``put`` other samples. When
    nothing is ``missing``, one of them calls ``finish``. Memory is needed for one sample.

    Args:
        path: The folder of the store; it is made, or taken up again if it holds this very store, unfinished.
        size: (H, W) of every image and label.
        counts: Number of images per split.
        tasks: The label fields, of ``taskscape.modalities.fields.FIELDS``.
        class_set: Of the class ids; needed with the field ``semseg``.
        source: Where the samples come from, for the manifest: values that JSON can hold.
        shard: Number of images per file; by default a split is one file per field.

    Raises:
        ValueError: The folder holds something else, or an argument makes no sense.
        OSError: The disk is full or not writable.
    """

    def __init__(
        self,
        path: Path,
        size: tuple[int, int],
        counts: Mapping[str, int],
        tasks: Sequence[str],
        class_set: ClassSet | None,
        source: Mapping[str, Any],
        shard: int | None = None,
    ) -> None:
        unknown = set(tasks) - set(FIELDS)
        if unknown or ("semseg" in tasks and class_set is None):
            raise ValueError(f"tasks {list(tasks)}: choose among {list(FIELDS)}, and give semseg a class set")
        self.path = path
        self.tasks = tuple(tasks)
        self.manifest = Manifest(
            size=(size[0], size[1]),
            counts=dict(counts),
            fields=infos(tasks),
            class_set=class_set,
            source=json.loads(json.dumps(dict(source))),  # as it will be read back
            shard=max(counts.values(), default=1) if shard is None else shard,
        )
        plan = path / PLAN
        if plan.exists():
            if Manifest.load(plan) != self.manifest:
                raise ValueError(f"{path} holds another store, unfinished: delete it or choose another folder")
        elif path.exists() and any(path.iterdir()):
            raise ValueError(f"{path} is not empty: delete it or choose another folder")
        else:
            path.mkdir(parents=True, exist_ok=True)
            self.manifest.save(plan)
        self._create()

    def _create(self) -> None:
        """Create the files that are not there yet."""
        for split in self.manifest.counts:
            (self.path / split).mkdir(exist_ok=True)
            for shard, rows in enumerate(self.manifest.rows(split)):
                for name, info in self.manifest.fields.items():
                    # Full of holes: it takes room on the disk only as it is filled.
                    path = self.path / file_of(split, name, shard)
                    if path.exists():
                        continue
                    part = path.with_suffix(".part")
                    with _writing(path):
                        np.lib.format.open_memmap(part, "w+", info.dtype, (rows, *self.manifest.size, *info.shape))
                        part.replace(path)

    def _written(self, split: str) -> dict[int, str]:
        """Return the names of the samples that are complete, by index."""
        record = self.path / split / _DONE
        names = {}
        for line in record.read_text().splitlines() if record.exists() else ():
            try:
                index, name = json.loads(line)
            except ValueError:
                continue  # an empty line, or one torn by a kill: that sample is written again
            names[index] = name
        return names

    def missing(self, split: str) -> list[int]:
        """Return the indices that have not been ``put`` yet, by any process."""
        written = self._written(split)
        return [index for index in range(self.manifest.counts[split]) if index not in written]

    def put(self, split: str, index: int, sample: Sample) -> None:
        """Write one sample. A label that it lacks is kept as one without a valid pixel.

        Raises:
            ValueError: The sample cannot be kept; the message names it, the field and the remedy.
            OSError: The disk is full, for one.
        """
        if not 0 <= index < self.manifest.counts[split]:
            raise ValueError(f"index {index} is outside split {split!r} of {self.manifest.counts[split]} images")
        shard, row = divmod(index, self.manifest.shard)
        rows_from_the_end = self.manifest.rows(split)[shard] - row
        for name, stored in self._packed(split, index, sample).items():
            path = self.path / file_of(split, name, shard)
            # Not through a memory map, where a full disk is a bus error.
            with _writing(path), path.open("r+b") as file:
                file.seek(-rows_from_the_end * stored.nbytes, os.SEEK_END)
                file.write(stored.tobytes())
        done = self.path / split / _DONE
        with _writing(done), done.open("a") as lines:
            # One write in append mode, so that processes do not mix; the leading newline ends a torn line.
            lines.write("\n" + json.dumps([index, sample.name]))

    def _packed(self, split: str, index: int, sample: Sample) -> dict[str, npt.NDArray[Any]]:
        where = f"sample {sample.name!r} ({split} {index})"
        image, shape = sample.image, (*self.manifest.size, 3)
        if image.shape != shape or image.dtype != np.uint8:
            raise ValueError(
                f"{where}, field image: {image.dtype} {image.shape} instead of uint8 {shape}: resize or convert it"
            )
        others = set(sample.labels) - set(self.manifest.fields)
        if others:
            raise ValueError(f"{where}: the store has no field {sorted(others)}: name it when the store is made")
        packed = {"image": image}
        for task in self.tasks:
            info, label, valid = self.manifest.fields[task], sample.labels.get(task), sample.valid.get(task)
            if label is None:
                packed[task] = np.full((*self.manifest.size, *info.shape), info.sentinel, info.dtype)
                continue
            if valid is None or valid.shape != self.manifest.size or valid.dtype != np.bool_:
                found = "missing" if valid is None else f"{valid.dtype} {valid.shape}"
                raise ValueError(
                    f"{where}, field {task}: the mask is {found} instead of bool {self.manifest.size} like the image: "
                    "say for every pixel whether it has a label"
                )
            try:
                packed[task] = FIELDS[task].pack(label, valid, self.manifest.class_set)
            except ValueError as error:
                raise ValueError(f"{where}, field {task}: {error}") from error
        return packed

    def finish(self) -> None:
        """Check that nothing is missing, work out the checksums and write the manifest.

        Raises ``ValueError`` while samples are missing.
        """
        names, files = {}, {}
        for split, count in self.manifest.counts.items():
            written = self._written(split)
            if len(written) < count:
                raise ValueError(f"{self.path}: {count - len(written)} images of {split!r} are missing: put them first")
            names[split] = [written[index] for index in range(count)]
            for shard in range(len(self.manifest.rows(split))):
                for name in self.manifest.fields:
                    file = file_of(split, name, shard)
                    with _writing(self.path / file), (self.path / file).open("r+b") as data:
                        os.fsync(data.fileno())
                    files[file] = FileInfo.of(self.path / file)
        replace(self.manifest, names=names, files=files).save(self.path / MANIFEST)
        for split in names:
            (self.path / split / _DONE).unlink()
        (self.path / PLAN).unlink()
