"""Batches in the packed form of a store."""

from collections.abc import Mapping
from typing import NamedTuple

from torch import Tensor

from taskscape.batch import Batch
from taskscape.modalities import Modality
from taskscape.modalities.rgb import in_unit_range


class StoredBatch(NamedTuple):
    """Images and labels in the packed form of a store, on the device.

    Moving the packed pixels and unpacking them afterwards has the same result as unpacking first and moving values and
    masks, but takes fewer and narrower passes over memory.
    """

    image: Tensor
    """(B, 3, H, W) uint8, channels last in memory."""
    labels: dict[str, Tensor]
    """Per field (B, H, W) + the modality's ``shape``."""
    indices: Tensor
    """(B,) int64, the samples' positions in their store."""

    def unpack(self, modalities: Mapping[str, Modality]) -> Batch:
        """Return the unpacked batch; ``modalities`` holds the modality of each label, by name."""
        targets = {name: modalities[name].unpack(stored) for name, stored in self.labels.items()}
        return Batch(in_unit_range(self.image), targets, self.indices)
