"""Load the batches of an epoch from a store: in order or shuffled, augmented, split between processes."""

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch

from taskscape import distributed
from taskscape.batch import Batch, Target
from taskscape.data.augment import Augmentation, Draws, draw
from taskscape.data.sample import evenly_spread
from taskscape.data.store import Store
from taskscape.devices import find_device, on_device
from taskscape.serialization import counted, nearest

if TYPE_CHECKING:
    from taskscape.tasks import Task

OnBatch = Callable[[Batch, npt.NDArray[np.int64], npt.NDArray[np.bool_]], None]
"""Callback with a batch, the samples' positions in the store, and a mask of the mirrored samples."""


class Loader:
    """Loader of batches on the device, with a reproducible order and augmentation.

    The order is a function of (seed, epoch), the augmentation of (seed, epoch, sample). All processes together work on
    the global batch; process ``rank`` takes every ``world_size``-th sample of it. In training, all processes get the
    same number of batches. In evaluation, a process that would get nothing of the last global batch has one batch less,
    so the evaluation loop must not wait for other processes. On a GPU, images and labels are cached in its memory if
    they fit (``Store.cache_on``).

    Args:
        store: The store to read.
        tasks: The tasks to make targets for, by name. A task reads the field ``task.source``, or that of its own name;
            a sample without a label gets an all-false mask.
        batch_size: Number of images of a global batch.
        device: Device of the batches, such as ``cpu``.
        seed: Seed of the order and the augmentation.
        augmentation: Applied to every batch; by default none.
        shuffle: Draw the samples in a new order each epoch.
        drop_undersized: For training: leave out a last, incomplete batch in which a process would get fewer than two
            images, because batch normalization cannot work on one.
        channels_last: Use the channels-last memory format for images.
        rank: Number of this process; by default that of the running process group.
        world_size: Number of processes; by default that of the running process group.

    Raises:
        ValueError: The store lacks a field, a batch is smaller than the number of processes, no batch would remain, or
            this machine has no such device.
    """

    def __init__(
        self,
        store: Store,
        tasks: Mapping[str, "Task"],
        batch_size: int,
        device: str | torch.device,
        seed: int = 0,
        augmentation: Augmentation | None = None,
        shuffle: bool = False,
        drop_undersized: bool = False,
        channels_last: bool = False,
        rank: int | None = None,
        world_size: int | None = None,
    ) -> None:
        self.store = store
        self.tasks = dict(tasks)
        self.batch_size = batch_size
        self.device = find_device(device)
        self.seed = seed
        self.augmentation = augmentation
        self.shuffle = shuffle
        self.memory_format = torch.channels_last if channels_last else torch.contiguous_format
        self.rank = distributed.rank() if rank is None else rank
        self.world_size = distributed.world_size() if world_size is None else world_size
        self.on_batch: OnBatch | None = None
        """Called with each batch before it is returned."""

        self._sources = _sources(self.tasks, store)
        self._fields = tuple(dict.fromkeys(self._sources.values()))
        self._modalities = {field: store.fields[field] for field in self._fields}
        self._image_factors = {
            name: _image_factors(self.tasks[name], field, store) for name, field in self._sources.items()
        }
        self._images = self._images_per_epoch(drop_undersized)
        if self.device.type == "cuda":  # other devices share the memory of the map
            store.cache_on(self.device, self._fields)

    def _images_per_epoch(self, drop_undersized: bool) -> int:
        """Return the number of images of an epoch. Raises ``ValueError`` if they are too few for a batch."""
        if self.batch_size < self.world_size:
            raise ValueError(
                f"a batch of {self.batch_size} images for {self.world_size} processes: each needs at least one"
            )
        count = self.store.epoch_length(self.batch_size) if self.shuffle else len(self.store)
        full, remainder = divmod(count, self.batch_size)
        undersized = drop_undersized and remainder < 2 * self.world_size
        images = full * self.batch_size if undersized else count
        if images == 0:
            raise ValueError(
                f"{self.store.path} has {counted(len(self.store), 'image', 'images')} in split {self.store.split!r}, "
                f"too few to train on: give {2 * self.world_size} or more, two for each process"
            )
        return images

    def __len__(self) -> int:
        """Return the number of global batches of an epoch."""
        return -(-self._images // self.batch_size)

    def epoch(self, number: int, skip: int = 0) -> Iterator[Batch]:
        """Yield the batches of an epoch, without reading the first ``skip``."""
        return (self.batch(indices, number) for indices in self.indices(number, skip))

    def indices(self, number: int, skip: int = 0) -> Iterator[npt.NDArray[np.int64]]:
        """Yield the sample indices of each batch of an epoch, without the first ``skip`` batches."""
        order = np.arange(len(self.store))
        if self.shuffle:
            order = self.store.order(self.seed, number, self.batch_size)
        for start in range(skip * self.batch_size, self._images, self.batch_size):
            local = order[start : min(start + self.batch_size, self._images)][self.rank :: self.world_size]
            if len(local):
                yield local

    def spread(self, count: int) -> Iterator[Batch]:
        """Yield batches of ``count`` samples, evenly spread over the split, or of all samples if there are fewer."""
        indices = evenly_spread(len(self.store), count)
        for start in range(0, len(indices), self.batch_size):
            local = indices[start : start + self.batch_size][self.rank :: self.world_size]
            if len(local):
                yield self.batch(local)

    def batch(self, indices: npt.NDArray[np.int64], epoch: int = 0) -> Batch:
        """Return the samples at these indices as they are in an epoch, with targets by task.

        An index plus a multiple of the number of images (``Store.order``) is the same image with a different
        augmentation.
        """
        return self.augmented(indices, None if self.augmentation is None else draw(self.seed, epoch, indices))

    def augmented(self, indices: npt.NDArray[np.int64], draws: Draws | None) -> Batch:
        """Return the samples at these indices, augmented with these random numbers if there is an augmentation.

        No sample depends on the others of its batch.
        """
        if self.augmentation is not None and draws is not None:
            stored = self.store.gather_to_move(indices, self._fields, self.device)
            batch = self.augmentation(stored, draws, self._modalities)
            zoom, mirrored = self.augmentation.zoom(draws), self.augmentation.mirrored(draws)
        else:
            batch = self.store.gather(indices, self._fields, self.device)
            zoom, mirrored = np.ones(len(indices)), np.zeros(len(indices), np.bool_)
        targets = {
            name: self.tasks[name].target(
                self._scaled(name, batch.targets[field], indices, zoom), self._modalities[field]
            )
            for name, field in self._sources.items()
        }
        batch = Batch(batch.image.contiguous(memory_format=self.memory_format), targets, batch.indices)
        if self.on_batch is not None:
            self.on_batch(batch, indices, mirrored)
        return batch

    def _scaled(
        self, name: str, target: Target, indices: npt.NDArray[np.int64], zoom: npt.NDArray[np.float64]
    ) -> Target:
        """Return the label multiplied by the task's factors: one per image, and one that depends on its zoom."""
        factors, power = self._image_factors[name], self.tasks[name].zoom_power
        if factors is None and not power:
            return target
        per_image = zoom**power * (1 if factors is None else factors[indices % len(self.store)])
        factor = (
            on_device(per_image, target.value.device).to(target.value.dtype).view(-1, *[1] * (target.value.ndim - 1))
        )
        return Target(target.value * factor, target.valid)


def _sources(tasks: Mapping[str, "Task"], store: Store) -> dict[str, str]:
    """Return the field of each task. Raises ``ValueError`` for a field that the store lacks."""
    sources = {name: task.source_for(name) for name, task in tasks.items()}
    for name, field in sources.items():
        if field not in store.fields:
            raise ValueError(f"{store.path} has no labels {field!r} for the task {name}{nearest(field, store.fields)}")
    return sources


def _image_factors(task: "Task", field: str, store: Store) -> npt.NDArray[np.float64] | None:
    """Return the factors by which a task multiplies each image's label, (images,); None if there are none."""
    factors = [
        (task.image_factors(part.store.manifest.source.get(field), part.store.split), len(part.store))
        for part in store.parts
    ]
    if all(part_factors is None for part_factors, _ in factors):
        return None
    return np.concatenate([np.ones(count) if part_factors is None else part_factors for part_factors, count in factors])
