"""The packed store: labeled images of one size in memory-mapped arrays, read without decoding or worker processes.

``taskscape.data.manifest`` describes the folder.
"""

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
from taskscape.machine import free_memory
from taskscape.modalities import Modality
from taskscape.modalities.base import Array
from taskscape.serialization import nearest

SAMPLED_BLOCKS = 16
"""Number of blocks of ``BLOCK`` bytes that are verified when a split is opened; takes about 10 ms if the files are in
memory."""
_DIGITS = 8
"""Number of hexadecimal digits of a block's checksum."""
_CACHED_SHARE = 0.25
"""Largest share of a device's free memory that is used to cache a store."""


class StorePart(NamedTuple):
    """A store and the labels that are used from it."""

    name: str
    """Name among several stores; empty for a single one."""
    store: "Store"
    fields: tuple[str, ...]
    """The labels that are used."""


class Store:
    """One split of a packed store, opened by ``Store.open``."""

    def __init__(self, path: Path, split: str, manifest: Manifest, maps: dict[str, list[Array]]) -> None:
        self.path = path
        self.split = split
        self.manifest = manifest
        self._maps = maps
        self._cached: dict[str, Tensor] = {}

    @classmethod
    def open(cls, path: str | Path, split: str, verify: bool = False) -> "Store":
        """Map the arrays of a split.

        With ``verify``, every byte is read and compared with the checksums. Without it, the sizes of all files are
        checked, and up to ``SAMPLED_BLOCKS`` blocks, chosen anew at each call; a small store is verified as a whole.

        Raises:
            FileNotFoundError: The folder or a file of the store does not exist.
            ValueError: It is not a store, not finished, of another version, damaged, or has no such split.
        """
        path = Path(path)
        manifest = Manifest.of(path)
        if split not in manifest.counts:
            raise ValueError(f"{path} has no split {split!r}, it has {', '.join(manifest.counts)}: choose one of them")
        maps: dict[str, list[Array]] = {}
        block_counts: dict[str, int] = {}
        for name, modality in manifest.fields.items():
            maps[name] = []
            for shard, indices in enumerate(manifest.shards(split)):
                file = file_of(split, name, shard)
                _check_file(path / file, manifest.files.get(file), verify)
                if not verify:
                    block_counts[file] = len(manifest.blocks.get(file, "")) // _DIGITS
                shape = (len(indices), *manifest.size, *modality.shape)
                maps[name].append(_map_array(path / file, shape, modality.dtype))
        _check_sampled_blocks(path, manifest, block_counts)
        return cls(path, split, manifest, maps)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the path and the split only: another process maps the files itself."""
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
        """The labels by name, without the image."""
        return self.manifest.labels

    @property
    def names(self) -> list[str]:
        """The name of each image in its source."""
        return self.manifest.names[self.split]

    @property
    def parts(self) -> tuple["StorePart", ...]:
        """The stores that it consists of: only itself, unless it is mixed (``MixedStore``)."""
        return (StorePart("", self, tuple(self.fields)),)

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences for the user about how the data were put together."""
        return ()

    def labeled_images(self, field: str) -> npt.NDArray[np.int64]:
        """Return the positions of the images that may have this label: all images, unless the store is mixed."""
        return np.arange(len(self))

    def epoch_length(self, batch_size: int) -> int:
        """Return the number of images of a training epoch, in global batches of this size."""
        return len(self)

    def order(self, seed: int, epoch: int, batch_size: int) -> npt.NDArray[np.int64]:
        """Return the order of the images in a training epoch, (``epoch_length``,), a function of the arguments only.

        Each number is the position of an image plus a multiple of ``len(self)``. If an image occurs several times in an
        epoch, its multiples differ, so every number occurs once.
        """
        stream = np.random.Philox(key=[seed, 0], counter=[0, 0, epoch, 0])
        return np.random.Generator(stream).permutation(np.arange(len(self)))

    def cache_on(self, device: torch.device, fields: Sequence[str]) -> bool:
        """Copy the images and these labels to the device if they fit into a quarter of its free memory.

        Returns whether they fit; if not, batches are still read through the memory map. On a CPU, the map is as fast
        while the system keeps the files in memory, and needs no memory per process.
        """
        uncached = [name for name in (IMAGE, *fields) if name not in self._cached]
        if sum(shard.nbytes for name in uncached for shard in self._maps[name]) > _CACHED_SHARE * free_memory(device):
            return False
        for name in uncached:
            shard = self._maps[name][0]
            cached = torch.empty((len(self), *shard.shape[1:]), dtype=_torch_dtype(shard), device=device)
            for indices in np.split(np.arange(len(self)), range(64, len(self), 64)):
                cached[indices[0] : indices[-1] + 1] = self._rows(name, indices, device)
            self._cached[name] = cached
        return True

    def gather(
        self, indices: Sequence[int] | npt.NDArray[np.int64], fields: Sequence[str], device: torch.device
    ) -> Batch:
        """Return the samples at ``indices``, in this order, with these labels as targets, on the device.

        Images are channels-last in memory. No indices give an empty batch. Raises ``ValueError`` for a field that the
        store does not have and for indices that are not integers, ``IndexError`` for an index that is negative or too
        large.
        """
        return self._gather_stored(indices, fields, device).unpack(self.fields)

    def gather_to_move(
        self, indices: Sequence[int] | npt.NDArray[np.int64], fields: Sequence[str], device: torch.device
    ) -> Batch | StoredBatch:
        """Return the batch of ``gather`` for an augmentation, still packed if it comes from a single store."""
        return self._gather_stored(indices, fields, device)

    def _gather_stored(
        self, indices: Sequence[int] | npt.NDArray[np.int64], fields: Sequence[str], device: torch.device
    ) -> StoredBatch:
        index = np.asarray(indices).reshape(-1)
        if index.size and index.dtype.kind not in "iu":
            raise ValueError(f"indices are {index.dtype}: give positions, such as np.flatnonzero(mask) of a mask")
        index = index.astype(np.int64)
        self._check_inside(index.tolist())
        for name in fields:
            if name not in self.fields:
                raise ValueError(f"{self.path} has no labels {name!r}{nearest(name, self.fields)}")
        image = self._rows(IMAGE, index, device).permute(0, 3, 1, 2)
        labels = {name: self._rows(name, index, device) for name in fields}
        return StoredBatch(image, labels, on_device(index, device))

    def stored(self, index: int) -> dict[str, Array]:
        """Return all fields of one image, including the image itself, in packed form.

        Raises ``IndexError`` for an index that is negative or too large.
        """
        self._check_inside([index])
        shard, row = divmod(index, self.manifest.shard)
        return {name: arrays[shard][row] for name, arrays in self._maps.items()}

    def _check_inside(self, indices: Sequence[int]) -> None:
        if outside := [index for index in indices if not 0 <= index < len(self)]:
            raise IndexError(f"index {outside[0]} is outside split {self.split!r} of {len(self)} images")

    def _rows(self, name: str, index: npt.NDArray[np.int64], device: torch.device) -> Tensor:
        if name in self._cached:
            cached = self._cached[name]
            return cached.index_select(0, on_device(index, cached.device)).to(device)
        arrays = self._maps[name]
        # Pinned memory makes the copy to a GPU asynchronous; torch keeps it until the copy is done.
        rows = torch.empty(
            (len(index), *arrays[0].shape[1:]), dtype=_torch_dtype(arrays[0]), pin_memory=device.type == "cuda"
        )
        out = rows.numpy()
        for position, (shard, row) in enumerate(zip(*np.divmod(index, self.manifest.shard), strict=True)):
            out[position] = arrays[shard][row]
        return rows.to(device, non_blocking=True)


def _check_file(path: Path, expected: FileInfo | None, verify: bool) -> None:
    """Raise ``FileNotFoundError`` or ``ValueError`` if the file is missing or differs from what was written."""
    if expected is None or not path.exists():
        raise FileNotFoundError(f"{path} is missing: copy the store again or make it again")
    if (size := path.stat().st_size) != expected.bytes:
        raise ValueError(f"{path} has {size} bytes instead of {expected.bytes}: copy the store again or make it again")
    if verify and FileInfo.of(path) != expected:
        raise ValueError(f"{path} is damaged, its checksum differs: copy the store again or make it again")


def _check_sampled_blocks(path: Path, manifest: Manifest, counts: Mapping[str, int]) -> None:
    """Compare some blocks with their checksums. Raises ``ValueError`` that names the damaged file.

    ``counts`` has the number of blocks per file.
    """
    blocks = [(file, block) for file, count in counts.items() for block in range(count)]
    rng = random.Random()  # separate, so that the run's generators are not advanced
    sampled = rng.sample(blocks, min(SAMPLED_BLOCKS, len(blocks)))
    for file, block in sorted(sampled):
        with (path / file).open("rb") as data:
            data.seek(block * BLOCK)
            crc = f"{zlib.crc32(data.read(BLOCK)):08x}"
        if crc != manifest.blocks[file][_DIGITS * block : _DIGITS * (block + 1)]:
            raise ValueError(
                f"{path / file} is damaged, the checksum of its block {block} differs: copy the store again or make it "
                "again"
            )


def _map_array(path: Path, shape: tuple[int, ...], dtype: str) -> Array:
    """Map the array of a file. Raises ``ValueError`` if its shape or type differs from the expected one."""
    try:
        array = np.lib.format.open_memmap(path, mode="r")
    except PermissionError:
        raise  # not damaged
    except Exception as error:  # numpy parses headers with Python's tokenizer, which raises many types of errors
        raise ValueError(f"{path} is damaged ({error}): copy the store again or make it again") from error
    if array.shape != shape or array.dtype != dtype:
        raise ValueError(f"{path} holds {array.dtype} {array.shape} instead of {dtype} {shape}: make the store again")
    return np.asarray(array)  # a plain array over the same map is faster to index


def _torch_dtype(array: Array) -> torch.dtype:
    return torch.from_numpy(np.empty(0, array.dtype)).dtype
