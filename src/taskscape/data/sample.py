"""A sample of the values of a field, to which a task can be fitted before training."""

from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from taskscape.data.store import Store

IMAGES = 64
"""Number of images that are read, evenly spread over the split."""
PIXELS = 4096
"""Largest number of values per image, evenly spread as well."""


def sample_values(store: Store, field: str) -> npt.NDArray[Any]:
    """Return values of the field's valid pixels, (pixels,) + the modality's ``shape``; the choice is deterministic."""
    modality = store.fields[field]
    values = []
    labeled = store.labeled_images(field)
    for index in labeled[np.unique(np.linspace(0, len(labeled) - 1, IMAGES).astype(np.int64))]:
        target = store.gather([index], [field], torch.device("cpu")).targets[field]
        valid = modality.to_array(target.value)[target.valid.numpy()]
        values.append(valid[:: max(1, -(-len(valid) // PIXELS))])
    return np.concatenate(values)
