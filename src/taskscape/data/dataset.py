"""A packed store as a dataset for custom training loops."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.utils.data import Dataset

from taskscape.batch import Target
from taskscape.data.store import Store


class StoreDataset(Dataset[tuple[Tensor, dict[str, Target]]]):
    """One split of a packed store as a ``torch.utils.data.Dataset``, for ``torch.utils.data.DataLoader``.

    An item is ``(image, targets)``: the image (3, H, W) float32, RGB in 0..1, and per field a ``Target`` without the
    batch axis. The default ``collate_fn`` joins items into batches; each worker process maps the files itself. ::

        store = Store.open(Path("data/cityscapes-19"), "train")
        for image, targets in DataLoader(StoreDataset(store), batch_size=8, shuffle=True):
            ids, valid = targets["semseg"]

    Args:
        store: The split.
        fields: The labels to return; by default all.

    Raises:
        ValueError: ``fields`` is a single name, or the store has no such field; the latter is raised when an item is
            read.
    """

    def __init__(self, store: Store, fields: Sequence[str] | None = None) -> None:
        self.store = store
        if isinstance(fields, str):
            raise ValueError(f"fields is {fields!r}: give a list of names, [{fields!r}]")
        self.fields = tuple(store.fields if fields is None else fields)

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.store)

    def __getitem__(self, index: int) -> tuple[Tensor, dict[str, Target]]:
        """Return the image and its targets. Raises ``IndexError`` if the index is out of range."""
        if not -len(self) <= index < len(self):
            raise IndexError(f"index {index} is outside split {self.store.split!r} of {len(self)} images")
        batch = self.store.gather([index % len(self)], self.fields, torch.device("cpu"))
        targets = {name: Target(value[0], valid[0]) for name, (value, valid) in batch.targets.items()}
        return batch.image[0], targets
