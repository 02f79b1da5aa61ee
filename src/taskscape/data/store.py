"""The packed store: labelled images of one size as memory-mapped arrays, read without copies and without workers.

``taskscape.data.manifest`` describes the folder.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from taskscape.batch import Batch
from taskscape.modalities.fields import FIELDS
from taskscape.data.manifest import FieldInfo, FileInfo, Manifest, file_of
from taskscape.modalities.class_sets import ClassSet


class Store:
    """One split of a packed store. ``Store.open`` makes it."""

    def __init__(self, path: Path, split: str, manifest: Manifest, maps: dict[str, list[npt.NDArray[Any]]]) -> None:
        self.path = path
        self.split = split
        self.manifest = manifest
        self._maps = maps
        self._held: dict[str, Tensor] = {}

    @classmethod
    def open(cls, path: Path, split: str, verify: bool = False) -> "Store":
        """Map the arrays of a split. With ``verify`` every byte is read and compared with the checksums.

        Raises:
            FileNotFoundError: There is no such folder, or a file of the store is missing.
            ValueError: It is not a store, not finished, of another version, damaged, or has no such split.
        """
        manifest = Manifest.of(path)
        if split not in manifest.counts:
            raise ValueError(f"{path} has no split {split!r}, it has {list(manifest.counts)}: choose one of them")
        maps = {
            name: [
                _mapped(path, file_of(split, name, shard), manifest, (rows, *manifest.size, *info.shape), info, verify)
                for shard, rows in enumerate(manifest.rows(split))
            ]
            for name, info in manifest.fields.items()
        }
        return cls(path, split, manifest, maps)

    def __len__(self) -> int:
        """Return the number of images."""
        return self.manifest.counts[self.split]

    @property
    def size(self) -> tuple[int, int]:
        """(H, W) of every image."""
        return self.manifest.size

    @property
    def tasks(self) -> tuple[str, ...]:
        """The tasks that have a label field."""
        return tuple(name for name in self.manifest.fields if name in FIELDS)

    @property
    def class_set(self) -> ClassSet | None:
        """The class set of the class ids."""
        return self.manifest.class_set

    @property
    def depth_scale_known(self) -> bool:
        """Return whether depth is in metres; if not, it is proportional to metres within an image only."""
        return self.manifest.depth_scale_known

    @property
    def names(self) -> list[str]:
        """The name of each image in its source."""
        return self.manifest.names[self.split]

    def hold(self, device: torch.device, tasks: Sequence[str], share: float = 0.25) -> bool:
        """Copy the images and the labels of ``tasks`` to the device if they fit into this share of its free memory.

        Returns whether they did; if not, batches go on being read through the memory map. Where the device is the CPU
        that is as fast while the system keeps the files in memory, and costs none per process.
        """
        fields = [name for name in ("image", *tasks) if name not in self._held]
        if sum(part.nbytes for name in fields for part in self._maps[name]) > share * _free_bytes(device):
            return False
        for name in fields:
            part = self._maps[name][0]
            whole = torch.empty((len(self), *part.shape[1:]), dtype=_torch_dtype(part), device=device)
            for some in np.split(np.arange(len(self)), range(64, len(self), 64)):
                whole[some[0] : some[-1] + 1] = self._rows(name, some, device)
            self._held[name] = whole
        return True

    def gather(
        self, indices: Sequence[int] | npt.NDArray[np.int64], tasks: Sequence[str], device: torch.device
    ) -> Batch:
        """Return the samples at ``indices``, in their order, with the targets of ``tasks``, on the device.

        The image is channels-last in memory. With no index the batch has no image.
        """
        index = np.asarray(indices, np.int64).reshape(-1)
        stored = {name: self._rows(name, index, device) for name in ("image", *tasks)}
        return Batch(
            image=stored["image"].permute(0, 3, 1, 2) / 255,
            targets={task: FIELDS[task].unpack(stored[task]) for task in tasks},
            indices=torch.from_numpy(index).to(device),
        )

    def _rows(self, name: str, index: npt.NDArray[np.int64], device: torch.device) -> Tensor:
        if name in self._held:
            held = self._held[name]
            return held.index_select(0, torch.from_numpy(index).to(held.device)).to(device)
        parts = self._maps[name]
        # Pinned memory lets the copy to a GPU run while the host goes on; torch keeps it until the copy is done.
        rows = torch.empty(
            (len(index), *parts[0].shape[1:]), dtype=_torch_dtype(parts[0]), pin_memory=device.type == "cuda"
        )
        out = rows.numpy()
        for position, (shard, row) in enumerate(zip(*np.divmod(index, self.manifest.shard), strict=True)):
            out[position] = parts[shard][row]
        return rows.to(device, non_blocking=True)


def _mapped(
    path: Path, file: str, manifest: Manifest, shape: tuple[int, ...], info: FieldInfo, verify: bool
) -> npt.NDArray[Any]:
    """Map one file, checked. Raises ``FileNotFoundError`` or ``ValueError``."""
    full, expected = path / file, manifest.files.get(file)
    if expected is None or not full.exists():
        raise FileNotFoundError(f"{full} is missing: copy the store again or make it again")
    if (size := full.stat().st_size) != expected.bytes:
        raise ValueError(f"{full} has {size} bytes instead of {expected.bytes}: copy the store again or make it again")
    if verify and FileInfo.of(full) != expected:
        raise ValueError(f"{full} is damaged, its checksum differs: copy the store again or make it again")
    try:
        array = np.load(full, mmap_mode="r", allow_pickle=False)
    except Exception as error:  # numpy reads a header with the tokenizer of Python, whose errors are many
        raise ValueError(f"{full} is damaged ({error}): copy the store again or make it again") from error
    if array.shape != shape or array.dtype != info.dtype:
        raise ValueError(
            f"{full} holds {array.dtype} {array.shape} instead of {info.dtype} {shape}: make the store again"
        )
    return np.asarray(array)  # a plain array over the same map is quicker to index


def _torch_dtype(array: npt.NDArray[Any]) -> torch.dtype:
    return torch.from_numpy(np.empty(0, array.dtype)).dtype


def _free_bytes(device: torch.device) -> int:
    """Return the free memory of a device; 0 where the system does not tell."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    try:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):  # neither Windows nor macOS has it
        return 0
