"""Several packed stores combined into one: each contributes its share of every epoch, with its own labels."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor
from typing_extensions import override

from taskscape.batch import Batch, Target
from taskscape.data.manifest import IMAGE, Manifest
from taskscape.data.store import Store, StorePart
from taskscape.devices import on_device
from taskscape.modalities import Modality, Rgb
from taskscape.serialization import nearest

Indices = npt.NDArray[np.int64]
Convert = Callable[[Target], Target]


class Member(NamedTuple):
    """One of the stores of a mixed store."""

    name: str
    store: Store
    share: float
    """Its share of the images of an epoch, relative to the shares of the others; 0 if no images are drawn from it."""
    labels: Mapping[str, Convert]
    """The labels that are used from it, each with its conversion to the label of the mixed store."""
    classes: str = ""
    """How its classes were mapped, as text. It is part of the fingerprint, as a different mapping makes different data.
    """


class MixedStore(Store):
    """One split of several packed stores: the images of all of them, one store after the other.

    An image has the labels that its part provides; the masks of all others are all false. Images of a different size
    from ``size`` are center-cropped to its aspect ratio and resized: images are averaged or interpolated, labels take
    the nearest pixel. Depth and normals keep their values.

    A training epoch (``order``) has ``images`` images, rounded to whole global batches. Each part contributes its share
    of them, rounded to the nearest image and at least one, spread evenly over the batches. The images of a part come in
    random order, and none comes again before all others have come, even across epochs.

    Args:
        parts: The stores.
        fields: The labels of the mixed store; a part may lack some of them.
        size: (H, W) of images and labels.
        images: Number of images of an epoch; by default that of all parts together.
        notes: Sentences for the user about how the parts were put together.
    """

    def __init__(
        self,
        parts: Sequence[Member],
        fields: Mapping[str, Modality],
        size: tuple[int, int],
        images: int | None = None,
        notes: Sequence[str] = (),
    ) -> None:
        self._parts, self._fields, self._size, self._epoch_images = tuple(parts), dict(fields), size, images
        self._notes = tuple(notes)
        self._ends = np.cumsum([len(part.store) for part in parts])
        split = parts[0].store.split
        super().__init__(Path("+".join(part.name for part in parts)), split, self._manifest(split), {})

    def _manifest(self, split: str) -> Manifest:
        """Return the manifest of the mixed store; its fingerprint covers every part and the labels used from it."""
        total = int(self._ends[-1])
        parts: list[dict[str, Any]] = [
            {"name": part.name, "images": len(part.store), "share": part.share, "labels": list(part.labels)}
            | ({"classes": part.classes} if part.classes else {})
            | {"store": str(part.store.path), "fingerprint": part.store.manifest.fingerprint}
            for part in self._parts
        ]
        return Manifest(
            size=self._size,
            counts={split: total},
            fields={IMAGE: Rgb(), **self._fields},
            source={"kind": "mixed", "parts": parts},
            shard=total,
            names={split: [f"{part.name}/{name}" for part in self._parts for name in part.store.names]},
            files={
                f"{number} {'+'.join(part.labels)} {part.classes}/{file}": info
                for number, part in enumerate(self._parts)
                for file, info in part.store.manifest.files.items()
            },
        )

    @override
    def __reduce__(self) -> tuple[Any, ...]:
        return MixedStore, (self._parts, self._fields, self._size, self._epoch_images, self._notes)

    @property
    @override
    def parts(self) -> tuple[StorePart, ...]:
        return tuple(StorePart(part.name, part.store, tuple(part.labels)) for part in self._parts)

    @property
    @override
    def notes(self) -> tuple[str, ...]:
        return self._notes

    @override
    def labeled_images(self, field: str) -> Indices:
        ranges = [
            np.arange(end - len(part.store), end)
            for part, end in zip(self._parts, self._ends, strict=True)
            if field in part.labels
        ]
        return np.concatenate(ranges) if ranges else np.arange(0)

    # -- order ---------------------------------------------------------------------------------------------------------

    @override
    def epoch_length(self, batch_size: int) -> int:
        """Return the number of images of an epoch: a whole number of global batches, at least one."""
        return max(round((self._epoch_images or len(self)) / batch_size), 1) * batch_size

    def counts(self, length: int) -> list[int]:
        """Return how many of ``length`` images each part contributes: its share to the nearest image, at least one.

        Raises ``ValueError`` if there are fewer images than parts that are drawn from.
        """
        is_drawn = np.array([part.share > 0 for part in self._parts])
        if length < is_drawn.sum():
            raise ValueError(
                f"an epoch has {length} images for {is_drawn.sum()} stores that are drawn from: raise data.images"
            )
        shares = np.array([part.share for part in self._parts])
        exact = shares / shares.sum() * length
        counts = np.maximum(np.floor(exact + 1e-9).astype(np.int64), is_drawn)
        while (rest := length - counts.sum()) != 0:  # largest remainder; parts raised to one image take from others
            gaps = (
                np.where(is_drawn, exact - counts, -np.inf)
                if rest > 0
                else np.where(counts > 1, counts - exact, -np.inf)
            )
            counts[np.argmax(gaps)] += np.sign(rest)
        return [int(count) for count in counts]

    @override
    def order(self, seed: int, epoch: int, batch_size: int) -> Indices:
        counts = self.counts(self.epoch_length(batch_size))
        starts = self._ends - [len(part.store) for part in self._parts]
        indices, positions = [], []
        for number, (count, start) in enumerate(zip(counts, starts, strict=True)):
            rows, passes = self._draw(number, epoch * count, count, seed)
            indices.append(start + rows + passes * len(self))
            positions.append((np.arange(count) + 0.5) / max(count, 1))  # evenly spread over the epoch
        order = np.concatenate(indices)[np.argsort(np.concatenate(positions), kind="stable")]
        # Within a batch the parts are shuffled, so that every process gets images of all parts.
        stream = np.random.Philox(key=[seed, 0], counter=[0, 0, epoch, 1])
        return np.random.Generator(stream).permuted(order.reshape(-1, batch_size), axis=1).ravel()

    def _draw(self, number: int, start: int, count: int, seed: int) -> tuple[Indices, Indices]:
        """Return ``count`` images of a part, and the number of the pass over its images that each belongs to, from 0.

        The images are those from position ``start`` on in an endless sequence of permutations.
        """
        length = len(self._parts[number].store)
        passes = range(start // length, -(-(start + count) // length))
        streams = (np.random.Philox(key=[seed, 0], counter=[0, 0, pass_index, 2 + number]) for pass_index in passes)
        rows = [np.random.Generator(stream).permutation(length) for stream in streams]
        within = slice(start % length, start % length + count)
        pass_numbers = np.repeat(np.arange(len(rows)), length)
        return np.concatenate([np.arange(0), *rows])[within], pass_numbers[within]

    # -- reading -------------------------------------------------------------------------------------------------------

    @override
    def cache_on(self, device: torch.device, fields: Sequence[str]) -> bool:
        """Copy the parts that fit to the device. Returns whether all of them fit."""
        fit = [part.store.cache_on(device, [field for field in fields if field in part.labels]) for part in self._parts]
        return all(fit)

    @override
    def gather(self, indices: Sequence[int] | Indices, fields: Sequence[str], device: torch.device) -> Batch:
        """Return the samples at ``indices``, modulo the number of images, as ``Store.gather`` does."""
        for name in fields:
            if name not in self._fields:
                raise ValueError(f"{self.path} has no labels {name!r}{nearest(name, self._fields)}")
        index = np.asarray(indices, np.int64).reshape(-1) % len(self)
        part_numbers = np.searchsorted(self._ends, index, side="right")
        height, width = self._size
        image = torch.empty((len(index), 3, height, width), device=device, memory_format=torch.channels_last)
        targets = {name: self._empty_target(name, len(index), device) for name in fields}
        for number in np.unique(part_numbers):
            part, start = self._parts[number], int(self._ends[number]) - len(self._parts[number].store)
            positions = np.flatnonzero(part_numbers == number)
            device_positions = on_device(positions, device)
            labeled = [name for name in fields if name in part.labels]
            batch = part.store.gather(index[positions] - start, labeled, device)
            image[device_positions] = _resized_image(batch.image, self._size)
            for name in labeled:
                value, valid = part.labels[name](batch.targets[name])
                targets[name].value[device_positions] = _resized_label(value, self._size)
                targets[name].valid[device_positions] = _resized_label(valid, self._size)
        return Batch(image, targets, on_device(index, device))

    @override
    def gather_to_move(self, indices: Sequence[int] | Indices, fields: Sequence[str], device: torch.device) -> Batch:
        return self.gather(indices, fields, device)

    def _empty_target(self, field: str, count: int, device: torch.device) -> Target:
        modality = self._fields[field]
        stored = np.full((count, *self._size, *modality.shape), modality.sentinel or 0, modality.dtype)
        value, valid = modality.unpack(on_device(stored, device))
        return Target(value.nan_to_num() if value.is_floating_point() else value, torch.zeros_like(valid))


def _window(size: tuple[int, int], target_size: tuple[int, int]) -> tuple[slice, slice]:
    """Return the center window of an image of ``size`` that has the aspect ratio of ``target_size``."""
    height = min(size[0], max(round(size[1] * target_size[0] / target_size[1]), 1))
    width = min(size[1], max(round(size[0] * target_size[1] / target_size[0]), 1))
    top, left = (size[0] - height) // 2, (size[1] - width) // 2
    return slice(top, top + height), slice(left, left + width)


def _resized_image(image: Tensor, size: tuple[int, int]) -> Tensor:
    if tuple(image.shape[-2:]) == size:
        return image
    rows, columns = _window((image.shape[-2], image.shape[-1]), size)
    return F.interpolate(image[..., rows, columns], size, mode="bilinear", antialias=True).clamp_(0, 1)


def _resized_label(label: Tensor, size: tuple[int, int]) -> Tensor:
    """Return values, (B, H, W) or (B, C, H, W), or a mask, at another size by nearest-neighbor sampling."""
    if tuple(label.shape[-2:]) == size:
        return label
    window = _window((label.shape[-2], label.shape[-1]), size)
    rows, columns = (
        ((torch.arange(new, device=label.device) + 0.5) * (old.stop - old.start) / new).long() + old.start
        for new, old in zip(size, window, strict=True)
    )
    return label.index_select(-2, rows).index_select(-1, columns)
