"""Draws the batches of an epoch from a store: in order or shuffled, augmented, one share per process."""

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
import torch

from taskscape import distributed
from taskscape.batch import Batch
from taskscape.data.augment import Augmentation, draws
from taskscape.modalities.fields import FIELDS, ClassIds
from taskscape.data.store import Store


class Loader:
    """Batches on the device. Their order is a function of (seed, epoch), their augmentation of (seed, epoch, sample).

    The joined batch is what all processes work on at once; of each, process ``rank`` takes every ``world``-th sample.
    All processes see the same number of batches when training. In evaluation a process that would get nothing of the
    last joined batch has one batch less, so nothing may wait for the other processes within an evaluation's loop.
    On a GPU the images and labels are kept there, where they fit (``Store.hold``).

    Args:
        store: Where the samples are.
        tasks: Which targets to hand out. A sample without a label of a task gets an all-false mask.
        batch_size: Images of a joined batch.
        device: Where the batches are wanted.
        seed: Of the order and the augmentation.
        augmentation: Applied to every batch, if given.
        shuffle: Draw the samples in another order each epoch.
        drop_single: For training: leave out a last, incomplete batch in which a process would get fewer than two
            images, because batch normalisation cannot work on one.
        class_map: (256,) table from the store's class ids to those wanted, VOID = none (``taskscape.modalities.class_sets.mapping``).
        channels_last: Lay images out with their channels last in memory.
        rank: Number of this process; by default that of the running process group.
        world: Number of processes; by default that of the running process group.

    Raises:
        ValueError: The store lacks a task, the batch is smaller than the number of processes, or no batch would remain.
    """

    def __init__(
        self,
        store: Store,
        tasks: Sequence[str],
        batch_size: int,
        device: torch.device,
        seed: int = 0,
        augmentation: Augmentation | None = None,
        shuffle: bool = False,
        drop_single: bool = False,
        class_map: npt.NDArray[np.uint8] | None = None,
        channels_last: bool = False,
        rank: int | None = None,
        world: int | None = None,
    ) -> None:
        self.store = store
        self.tasks = tuple(tasks)
        self.batch_size = batch_size
        self.device = device
        self.seed = seed
        self.augmentation = augmentation
        self.shuffle = shuffle
        self.memory_format = torch.channels_last if channels_last else torch.contiguous_format
        self.rank = distributed.rank() if rank is None else rank
        self.world = distributed.world_size() if world is None else world
        self._table = None if class_map is None else torch.from_numpy(class_map.astype(np.int64)).to(device)

        if lacking := [task for task in self.tasks if task not in store.tasks]:
            raise ValueError(f"{store.path} has no labels for {lacking}, it has {list(store.tasks)}: choose of these")
        if batch_size < self.world:
            raise ValueError(f"a batch of {batch_size} images for {self.world} processes: each needs at least one")
        full, rest = divmod(len(store), batch_size)
        if rest == 0 or (drop_single and rest < 2 * self.world):
            self._images = full * batch_size
        else:
            self._images = len(store)
        if self._images == 0:
            raise ValueError(
                f"{store.path} has {len(store)} image(s) in split {store.split!r}, too few to train on: "
                f"give {self.world} process(es) at least two each"
            )
        if device.type != "cpu":
            store.hold(device, self.tasks)

    def __len__(self) -> int:
        """Return the number of joined batches of an epoch."""
        return -(-self._images // self.batch_size)

    def epoch(self, number: int, skip: int = 0) -> Iterator[Batch]:
        """Yield the batches of an epoch; ``skip`` leaves out, unread, as many at its beginning."""
        order = np.arange(len(self.store))
        if self.shuffle:
            stream = np.random.Philox(key=[self.seed, 0], counter=[0, 0, number, 0])
            order = np.random.Generator(stream).permutation(order)
        for start in range(skip * self.batch_size, self._images, self.batch_size):
            share = order[start : min(start + self.batch_size, self._images)][self.rank :: self.world]
            if len(share):
                yield self.batch(share, number)

    def batch(self, indices: npt.NDArray[np.int64], epoch: int = 0) -> Batch:
        """Return the samples at these indices as they are in an epoch."""
        batch = self.store.gather(indices, self.tasks, self.device)
        if self._table is not None:
            targets = {
                task: ClassIds.relabelled(target, self._table) if isinstance(FIELDS[task], ClassIds) else target
                for task, target in batch.targets.items()
            }
            batch = batch._replace(targets=targets)
        if self.augmentation is not None:
            batch = self.augmentation(batch, draws(self.seed, epoch, indices))
        return batch._replace(image=batch.image.contiguous(memory_format=self.memory_format))
