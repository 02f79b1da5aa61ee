"""Batches in the form in which a store keeps them."""

from collections.abc import Mapping
from typing import NamedTuple

from torch import Tensor

from taskscape.batch import Batch
from taskscape.modalities import Modality
from taskscape.modalities.rgb import in_unit_range


class StoredBatch(NamedTuple):
    """Images and labels as a store keeps them, on the device.

    To move their pixels and unpack them then is to unpack them and move values and masks, in fewer and narrower passes.
    """

    image: Tensor
    """(B, 3, H, W) uint8, channels last in memory."""
    labels: dict[str, Tensor]
    """Per field (B, H, W) + the modality's ``shape``."""
    indices: Tensor
    """(B,) int64, the samples' positions in their store."""

    def unpack(self, modalities: Mapping[str, Modality]) -> Batch:
        """Return the batch; ``modalities`` says what its labels are, by the same names."""
        targets = {name: modalities[name].unpack(stored) for name, stored in self.labels.items()}
        return Batch(in_unit_range(self.image), targets, self.indices)
