"""Features of a frozen encoder, computed once for every image of a run and kept beside the store."""

import hashlib
import json
import logging
import math
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack
from functools import partial
from io import FileIO
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from taskscape.batch import Batch
from taskscape.data import Augmentation, Store
from taskscape.data.sources.cached import make_once
from taskscape.files import atomic_write, cache_folder, writing
from taskscape.files.room import require_room
from taskscape.models import Encoder, Network
from taskscape.progress import ProgressCallback
from taskscape.serialization.plain import read_json

_LOGGER = logging.getLogger(__name__)
_FORMAT = 1
"""Version of the file format."""
_BATCH_SIZE = 8
"""Images per pass through the encoder."""
_INFO_FILE = "features.json"
_COUNT_FILE = "done"
"""A file with the number of images that are already on disk, while features are computed."""
_SECONDS = 10.0
"""Time between two writes of that number."""

Half = npt.NDArray[np.float16]
Indices = npt.NDArray[np.int64]
Mirrored = npt.NDArray[np.bool_]


def require_constant(network: Network, augmentation: Augmentation, *, compiled: bool) -> Encoder:
    """Return the encoder of a network, if its features are the same in every epoch.

    Raises ``ValueError`` that names the setting that makes them differ or keeps them from being stored.
    """
    encoders = [module for module in network.modules() if isinstance(module, Encoder)]
    if len(encoders) != 1:
        raise ValueError(
            f"feature_cache: the network has {len(encoders) or 'no'} encoders, and features are kept for one only; "
            "choose a network with one encoder for all tasks, or set feature_cache to 0"
        )
    if any(parameter.requires_grad for parameter in encoders[0].parameters()):
        raise ValueError(
            "feature_cache: only the features of a frozen encoder can be kept, and this encoder is trained; set "
            "network.freeze to all and network.lora to 0, or feature_cache to 0"
        )
    flip_only = Augmentation(flip=augmentation.flip)
    if changes := [name for name, value in vars(augmentation).items() if value != vars(flip_only)[name]]:
        raise ValueError(
            f"feature_cache: augmentation.{', augmentation.'.join(changes)} would change the images in every epoch, "
            "but features are kept only for the original and the mirrored images; leave these at their defaults (flip "
            "may be on), or set feature_cache to 0"
        )
    if compiled:
        raise ValueError("feature_cache: a compiled network computes its features itself; leave out compile")
    return encoders[0]


class FeatureCache:
    """Features of an encoder's backbone for all images of some splits, as float16 in memory-mapped files.

    The folder is beside the store, ``STORE.features/KEY``, or in the cache if that is not writable; the key covers the
    model, its weights, the images and their size. ``prepare`` computes missing features; then ``give`` hands the
    features of a batch to the encoder, which uses them instead of computing them.
    """

    def __init__(
        self, encoder: Encoder, template: Network, stores: Mapping[str, Store], *, mirrored: bool, gigabytes: float
    ) -> None:
        """Take the encoder, a network of the same settings on the meta device, and the stores by split.

        With ``mirrored``, features of the mirrored images of ``train`` are kept too. Raises ``ValueError`` if the files
        would take more than ``gigabytes``, or if the network does not read the encoder's output.
        """
        self.encoder, self.stores, self.mirrored = encoder, dict(stores), mirrored
        self.size = next(iter(stores.values())).size
        shapes = _shapes(template, self.size)
        self.read = [index for index, (_, is_read) in enumerate(shapes) if is_read]
        """The maps that the network reads; no others are kept."""
        self.shapes = [shape for shape, is_read in shapes if is_read]
        if not self.read:
            raise ValueError(
                "feature_cache: this network reads inside its encoder, not its output; set feature_cache to 0"
            )
        self.maps: dict[tuple[str, int], npt.NDArray[np.float16]] = {}
        self.bytes = sum(map(self._bytes, stores))
        """Size of the files in bytes."""
        if self.bytes > gigabytes * 1e9:
            images = " + ".join(f"{len(store)} ({split})" for split, store in stores.items())
            raise ValueError(
                f"feature_cache is {gigabytes:g} GB, and the features of {images} images of {self.size[0]}×"
                f"{self.size[1]}{', mirrored ones too,' if mirrored else ''} take {self.bytes / 1e9:.3g} GB: raise it, "
                "or choose smaller images or a larger output stride"
            )

    def prepare(self, turn: AbstractContextManager[Any], report: ProgressCallback | None = None) -> None:
        """Compute missing features, and map the files to memory.

        In ``turn`` one process does so while the others wait, as do other runs that need the same features. An
        interrupted computation is continued. Raises ``OSError`` if the files cannot be written or would not fit on the
        disk.
        """
        with turn:
            folders = {split: self._folder(split, store) for split, store in self.stores.items()}
            missing = [split for split, folder in folders.items() if not (folder / _INFO_FILE).exists()]
            if missing:
                partial_files = [file for split in missing for file in folders[split].glob("*.npy")]
                needed = sum(map(self._bytes, missing)) - sum(file.stat().st_size for file in partial_files)
                require_room(folders[missing[0]], needed, "what the encoder gives for all images")
            for split, folder in folders.items():
                make_once(folder, partial(self._compute, split, folder, report), _INFO_FILE)
                info: Any = read_json(folder / _INFO_FILE)
                for index, shape in enumerate(self.shapes):
                    file = folder / f"{index}.npy"
                    if info["bytes"][index] != file.stat().st_size:
                        raise ValueError(f"{file} is damaged: delete {folder}, and it is computed again")
                    array = np.load(file, mmap_mode="r")
                    assert array.shape == self._shape(split, shape)
                    self.maps[split, index] = array

    def give(self, split: str, batch: Batch, indices: Indices, mirrored: Mirrored) -> None:
        """Hand the features of a batch to the encoder, in the memory format of the batch's images."""
        indices = indices % len(self.stores[split])
        is_contiguous = batch.image.is_contiguous()
        maps: dict[int, Tensor] = {}
        for index, level in enumerate(self.read):
            rows = torch.from_numpy(self.maps[split, index][indices, mirrored.astype(np.int64)])
            values = rows.to(batch.image.device).float().permute(0, 3, 1, 2)
            maps[level] = values.contiguous() if is_contiguous else values
        self.encoder.remember(batch.image, maps)

    def _compute(self, split: str, folder: Path, report: ProgressCallback | None) -> None:
        store, files = self.stores[split], [folder / f"{index}.npy" for index in range(len(self.shapes))]
        _LOGGER.info("features of %d images of %s are computed once, for %s", len(store), split, folder)
        per_image = [2 * math.prod(self._shape(split, shape)[1:]) for shape in self.shapes]
        with ExitStack() as stack:
            with writing(folder):
                folder.mkdir(parents=True, exist_ok=True)
                num_done = _read_count(folder / _COUNT_FILE)
                if not all(
                    f.is_file() and f.stat().st_size > num_done * n for f, n in zip(files, per_image, strict=True)
                ):
                    num_done = 0
                streams = [stack.enter_context(file.open("r+b" if num_done else "wb", 0)) for file in files]
                for stream, shape, size in zip(streams, self.shapes, per_image, strict=True):
                    _write_head(stream, self._shape(split, shape))
                    stream.seek(num_done * size, os.SEEK_CUR)
            written_at = time.monotonic()
            for count, maps in self._passes(split, store, num_done):
                is_due = time.monotonic() - written_at > _SECONDS or count == len(store)
                with writing(folder):
                    for stream, values in zip(streams, maps, strict=True):
                        _write(stream, values)
                        if is_due:
                            os.fsync(stream.fileno())
                if is_due:
                    atomic_write(folder / _COUNT_FILE, str(count))
                    written_at = time.monotonic()
                if report is not None:
                    report(count, len(store))
        info = {"encoder": self.encoder.name, "split": split, "size": self.size, "store": str(store.path)}
        info |= {"bytes": [file.stat().st_size for file in files]}
        atomic_write(folder / _INFO_FILE, json.dumps(info, indent=1) + "\n")

    @torch.no_grad()
    def _passes(self, split: str, store: Store, num_done: int) -> Iterator[tuple[int, list[Half]]]:
        """Yield the number of images computed so far and the maps of the latest ones, starting at image ``num_done``.

        A map is (image, mirrored or not, row, column, channel). Raises ``ValueError`` for values beyond the range of
        float16.
        """
        device = self.encoder.mean.device
        for start in range(num_done, len(store), _BATCH_SIZE):
            indices = np.arange(start, min(start + _BATCH_SIZE, len(store)))
            image = store.gather(indices, (), device).image
            variants = [
                self.encoder.maps(image.flip(-1) if variant else image) for variant in range(self._variants(split))
            ]
            maps = [
                torch.stack([levels[level] for levels in variants], 1).permute(0, 1, 3, 4, 2).half()
                for level in self.read
            ]
            if not all(values.isfinite().all() for values in maps):
                raise ValueError(
                    f"feature_cache: {self.encoder.name} gives features beyond the range of float16; set it to 0"
                )
            yield int(indices[-1]) + 1, [values.contiguous().cpu().numpy() for values in maps]

    def _variants(self, split: str) -> int:
        return 2 if self.mirrored and split == "train" else 1

    def _bytes(self, split: str) -> int:
        """Return the size of a split's files in bytes."""
        return sum(2 * math.prod(self._shape(split, shape)) for shape in self.shapes)

    def _shape(self, split: str, shape: tuple[int, int, int]) -> tuple[int, ...]:
        """Return the shape of an array: (image, mirrored or not, row, column, channel)."""
        channels, height, width = shape
        return len(self.stores[split]), self._variants(split), height, width, channels

    def _folder(self, split: str, store: Store) -> Path:
        digest = hashlib.sha256()
        key = (_FORMAT, self.encoder.name, self.encoder.strides, self.size, self.read, self.shapes)
        digest.update(repr((key, split, self._variants(split), store.manifest.fingerprint)).encode())
        for name, tensor in (*self.encoder.backbone.state_dict().items(), ("", self.encoder.mean)):
            digest.update(name.encode())
            digest.update(tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy())
        path = Path(os.path.abspath(store.path))  # noqa: PTH100 - has a name, unlike "."; links are kept
        sibling = path.with_name(f"{path.name}.features")
        is_writable = path.is_dir() and os.access(path.parent, os.W_OK)
        return (sibling if is_writable else cache_folder() / "features") / f"{split}-{digest.hexdigest()[:16]}"


def _write(stream: FileIO, values: Half) -> None:
    """Write a whole array. The stream is unbuffered, so closing it raises no error."""
    remaining = values.data.cast("B")
    while remaining:
        remaining = remaining[stream.write(remaining) :]


def _write_head(stream: FileIO, shape: tuple[int, ...]) -> None:
    """Write the header of an ``.npy`` file of float16."""
    header = {"descr": np.lib.format.dtype_to_descr(np.dtype(np.float16)), "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(stream, header)


def _read_count(file: Path) -> int:
    """Return the number in a file; 0 if there is none."""
    try:
        return int(file.read_text())
    except (FileNotFoundError, ValueError):
        return 0


def _shapes(template: Network, size: tuple[int, int]) -> list[tuple[tuple[int, int, int], bool]]:
    """Return the shape of each map of an image, (C, h, w), and whether the network reads it."""
    encoder = next(module for module in template.modules() if isinstance(module, Encoder))
    image = torch.zeros(2, 3, *size, device="meta")
    maps = [x.detach().requires_grad_() for x in encoder.maps(image)]
    encoder.remember(image, dict(enumerate(maps)))
    outputs = template.train()(image)
    sums = [raw.sum() for role in (outputs.final, *outputs.auxiliary.values()) for raw in role.values()]
    gradients = torch.autograd.grad(torch.stack(sums).sum(), maps, allow_unused=True)
    return [
        ((x.shape[1], x.shape[2], x.shape[3]), gradient is not None)
        for x, gradient in zip(maps, gradients, strict=True)
    ]
