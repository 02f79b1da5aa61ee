"""A sample of the values of a field: what a task may be fitted to before training."""

from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from taskscape.data.store import Store

IMAGES = 64
"""Images that are read, evenly spread over the split."""
PIXELS = 4096
"""Most values that are taken of one image, evenly spread too."""


def sample_values(store: Store, field: str) -> npt.NDArray[Any]:
    """Return values of the field's valid pixels, (pixels,) + the modality's ``shape``; nothing is drawn at random."""
    modality = store.fields[field]
    values = []
    labelled = store.labelled(field)
    for index in labelled[np.unique(np.linspace(0, len(labelled) - 1, IMAGES).astype(np.int64))]:
        target = store.gather([index], [field], torch.device("cpu")).targets[field]
        valid = modality.to_array(target.value)[target.valid.numpy()]
        values.append(valid[:: max(1, -(-len(valid) // PIXELS))])
    return np.concatenate(values)
