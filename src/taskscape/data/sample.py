"""Evenly spread images of a split, and a sample of the values of a field, to which a task can be fitted."""

from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from taskscape.data.store import Store

IMAGES = 64
"""Number of images that are read, evenly spread over the split."""
PIXELS = 4096
"""Largest number of values per image, evenly spread as well."""


def evenly_spread(count: int, most: int) -> npt.NDArray[np.int64]:
    """Return at most ``most`` of the indices below ``count``, evenly spread from the first to the last."""
    return np.linspace(0, count - 1, min(count, most)).astype(np.int64)


def sample_values(store: Store, field: str) -> npt.NDArray[Any]:
    """Return values of the field's valid pixels, (pixels,) + the modality's ``shape``; the choice is deterministic."""
    labeled = store.labeled_images(field)
    sample = np.concatenate([_values(store, field, index) for index in labeled[evenly_spread(len(labeled), IMAGES)]])
    if len(sample):
        return sample
    return np.concatenate([_values(store, field, index) for index in labeled])  # labels are rare


def _values(store: Store, field: str, index: int) -> npt.NDArray[Any]:
    target = store.gather([index], [field], torch.device("cpu")).targets[field]
    valid: npt.NDArray[Any] = store.fields[field].to_array(target.value)[target.valid.numpy()]
    return valid[:: max(1, -(-len(valid) // PIXELS))]
