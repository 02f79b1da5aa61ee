"""The packed store: labeled images of one size as memory-mapped arrays, read without copies and without workers.

``taskscape.data.manifest`` describes the folder.
"""

import os
import random
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from taskscape.batch import Batch
from taskscape.data.manifest import BLOCK, IMAGE, FileInfo, Manifest, file_of
from taskscape.data.stored import StoredBatch
from taskscape.devices import on_device
from taskscape.modalities import Modality
from taskscape.serialization import nearest

Array = npt.NDArray[Any]

SAMPLED_BLOCKS = 16
"""Blocks of ``BLOCK`` bytes that are verified when a split is opened: some 10 ms where the files are in memory."""
_DIGITS = 8
"""Hexadecimal digits of a block's checksum."""


class StorePart(NamedTuple):
    """A store and what is used of it."""

    name: str
    """What it is called among others; empty for one alone."""
    store: "Store"
    fields: tuple[str, ...]
    """The labels that are used."""


class Store:
    """One split of a packed store. ``Store.open`` makes it."""

    def __init__(self, path: Path, split: str, manifest: Manifest, maps: dict[str, list[Array]]) -> None:
        self.path = path
        self.split = split
        self.manifest = manifest
        self._maps = maps
        self._cached: dict[str, Tensor] = {}

    @classmethod
    def open(cls, path: str | Path, split: str, verify: bool = False) -> "Store":
        """Map the arrays of a split.

        With ``verify`` every byte is read and compared with the checksums; without, the sizes of all files and up to
        ``SAMPLED_BLOCKS`` blocks, others at each call: a small store is verified as a whole.

        Raises:
            FileNotFoundError: There is no such folder, or a file of the store is missing.
            ValueError: It is not a store, not finished, of another version, damaged, or has no such split.
        """
        path = Path(path)
        manifest = Manifest.of(path)
        if split not in manifest.counts:
            raise ValueError(f"{path} has no split {split!r}, it has {list(manifest.counts)}: choose one of them")
        maps: dict[str, list[Array]] = {}
        block_counts: dict[str, int] = {}
        for name, modality in manifest.fields.items():
            maps[name] = []
            for shard, rows in enumerate(manifest.rows(split)):
                file = file_of(split, name, shard)
                _check_file(path / file, manifest.files.get(file), verify)
                if not verify:
                    block_counts[file] = len(manifest.blocks.get(file, "")) // _DIGITS
                maps[name].append(_map(path / file, (rows, *manifest.size, *modality.shape), modality.dtype))
        _check_some_blocks(path, manifest, block_counts)
        return cls(path, split, manifest, maps)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the path: another process maps the files itself."""
        return Store.open, (self.path, self.split)

    def __len__(self) -> int:
        """Return the number of images."""
        return self.manifest.counts[self.split]

    @property
    def size(self) -> tuple[int, int]:
        """(H, W) of every image."""
        return self.manifest.size

    @property
    def fields(self) -> Mapping[str, Modality]:
        """The labels by name; the image is not among them."""
        return self.manifest.labels

    @property
    def names(self) -> list[str]:
        """The name of each image in its source."""
        return self.manifest.names[self.split]

    @property
    def parts(self) -> tuple["StorePart", ...]:
        """The stores that it consists of: itself alone, unless it is mixed (``MixedStore``)."""
        return (StorePart("", self, tuple(self.fields)),)

    @property
    def notes(self) -> tuple[str, ...]:
        """What the user should know of how the data were put together, in sentences."""
        return ()

    def labelled(self, field: str) -> npt.NDArray[np.int64]:
        """Return the positions of the images that may have this label: all of them, unless the store is mixed."""
        return np.arange(len(self))

    def epoch_length(self, batch_size: int) -> int:
        """Return how many images an epoch of training has, in global batches of this size."""
        return len(self)

    def order(self, seed: int, epoch: int, batch_size: int) -> npt.NDArray[np.int64]:
        """Return the order of the images in an epoch of training, (``epoch_length``,): a function of its arguments.

        A number is the position of an image plus a multiple of ``len(self)``, which counts how often the image has come
        before in the epoch, so that every number occurs once.
        """
        stream = np.random.Philox(key=[seed, 0], counter=[0, 0, epoch, 0])
        return np.random.Generator(stream).permutation(np.arange(len(self)))

    def cache_on(self, device: torch.device, fields: Sequence[str], max_fraction: float = 0.25) -> bool:
        """Copy the images and these labels to the device if they fit into this fraction of its free memory.

        Returns whether they did; if not, batches are still read through the memory map. Where the device is the CPU
        that is as fast while the system keeps the files in memory, and costs none per process.
        """
        new = [name for name in (IMAGE, *fields) if name not in self._cached]
        if sum(part.nbytes for name in new for part in self._maps[name]) > max_fraction * _free_bytes(device):
            return False
        for name in new:
            part = self._maps[name][0]
            whole = torch.empty((len(self), *part.shape[1:]), dtype=_torch_dtype(part), device=device)
            for some in np.split(np.arange(len(self)), range(64, len(self), 64)):
                whole[some[0] : some[-1] + 1] = self._rows(name, some, device)
            self._cached[name] = whole
        return True

    def gather(
        self, indices: Sequence[int] | npt.NDArray[np.int64], fields: Sequence[str], device: torch.device
    ) -> Batch:
        """Return the samples at ``indices``, in their order, with these labels as targets, on the device.

        The image is channels-last in memory. Without an index the batch has no image. Raises ``ValueError`` for a field
        that the store does not have.
        """
        return self._gather_stored(indices, fields, device).unpack(self.fields)

    def gather_to_move(
        self, indices: Sequence[int] | npt.NDArray[np.int64], fields: Sequence[str], device: torch.device
    ) -> Batch | StoredBatch:
        """Return what ``gather`` does, not yet unpacked where the store keeps it as it is: for an augmentation."""
        return self._gather_stored(indices, fields, device)

    def _gather_stored(
        self, indices: Sequence[int] | npt.NDArray[np.int64], fields: Sequence[str], device: torch.device
    ) -> StoredBatch:
        index = np.asarray(indices, np.int64).reshape(-1)
        for name in fields:
            if name not in self.fields:
                raise ValueError(f"{self.path} has no labels {name!r}{nearest(name, self.fields)}")
        image = self._rows(IMAGE, index, device).permute(0, 3, 1, 2)
        labels = {name: self._rows(name, index, device) for name in fields}
        return StoredBatch(image, labels, on_device(index, device))

    def stored(self, index: int) -> dict[str, Array]:
        """Return every field of one image in the form in which the store keeps it, the image among them."""
        shard, row = divmod(index, self.manifest.shard)
        return {name: parts[shard][row] for name, parts in self._maps.items()}

    def _rows(self, name: str, index: npt.NDArray[np.int64], device: torch.device) -> Tensor:
        if name in self._cached:
            cached = self._cached[name]
            return cached.index_select(0, on_device(index, cached.device)).to(device)
        parts = self._maps[name]
        # Pinned memory lets the copy to a GPU run while the host continues; torch keeps it until the copy is done.
        rows = torch.empty(
            (len(index), *parts[0].shape[1:]), dtype=_torch_dtype(parts[0]), pin_memory=device.type == "cuda"
        )
        out = rows.numpy()
        for position, (shard, row) in enumerate(zip(*np.divmod(index, self.manifest.shard), strict=True)):
            out[position] = parts[shard][row]
        return rows.to(device, non_blocking=True)


def _check_file(path: Path, expected: FileInfo | None, verify: bool) -> None:
    """Raise ``FileNotFoundError`` or ``ValueError`` unless the file is as it was written."""
    if expected is None or not path.exists():
        raise FileNotFoundError(f"{path} is missing: copy the store again or make it again")
    if (size := path.stat().st_size) != expected.bytes:
        raise ValueError(f"{path} has {size} bytes instead of {expected.bytes}: copy the store again or make it again")
    if verify and FileInfo.of(path) != expected:
        raise ValueError(f"{path} is damaged, its checksum differs: copy the store again or make it again")


def _check_some_blocks(path: Path, manifest: Manifest, counts: Mapping[str, int]) -> None:
    """Compare some blocks with their checksums. Raises ``ValueError`` that names the file.

    ``counts`` are numbers of blocks by file.
    """
    blocks = [(file, block) for file, count in counts.items() for block in range(count)]
    dice = random.Random()  # of its own, so that the run's generators stay as they are
    chosen = dice.sample(blocks, min(SAMPLED_BLOCKS, len(blocks)))
    for file, block in sorted(chosen):
        with (path / file).open("rb") as data:
            data.seek(block * BLOCK)
            crc = f"{zlib.crc32(data.read(BLOCK)):08x}"
        if crc != manifest.blocks[file][_DIGITS * block : _DIGITS * (block + 1)]:
            raise ValueError(
                f"{path / file} is damaged, the checksum of its block {block} differs: copy the store again or make it "
                "again"
            )


def _map(path: Path, shape: tuple[int, ...], dtype: str) -> Array:
    """Map the array of a file. Raises ``ValueError`` for one of another shape or type."""
    try:
        array = np.lib.format.open_memmap(path, mode="r")
    except PermissionError:
        raise  # not damaged
    except Exception as error:  # numpy reads a header with the tokenizer of Python, whose errors are many
        raise ValueError(f"{path} is damaged ({error}): copy the store again or make it again") from error
    if array.shape != shape or array.dtype != dtype:
        raise ValueError(f"{path} holds {array.dtype} {array.shape} instead of {dtype} {shape}: make the store again")
    return np.asarray(array)  # a plain array over the same map is quicker to index


def _torch_dtype(array: Array) -> torch.dtype:
    return torch.from_numpy(np.empty(0, array.dtype)).dtype


def _free_bytes(device: torch.device) -> int:
    """Return the free memory of a device; 0 where the system does not tell."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    try:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):  # neither Windows nor macOS has it
        return 0
