"""What travels from the data to the losses and metrics: samples, targets with their masks, batches.

Everything here is a NamedTuple, so it passes collation, devices, compilation and export untouched.
"""

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:  # reports read modalities, which know these types, and do without torch
    from torch import Tensor


class Target(NamedTuple):
    """The ground truth of one task and where it holds.

    A data set turns its sentinels (0, -1, 255, NaN) into ``valid`` once, at its edge; nothing behind it knows
    sentinels. A label that an image does not have is an all-false mask. What ``value`` holds where ``valid`` is false
    is arbitrary but finite.
    """

    value: "Tensor"
    """As its modality says: (B, H, W) int64 class ids, (B, 1, H, W) float32 depth, (B, 3, H, W) float32 vectors, …"""
    valid: "Tensor"
    """(B, H, W) bool."""


class Batch(NamedTuple):
    """Images and their targets on the device, ready for a network."""

    image: "Tensor"
    """(B, 3, H, W) float32, RGB in 0..1. A network whose encoder wants another scale normalizes by itself."""
    targets: dict[str, Target]
    """One per task."""
    indices: "Tensor"
    """(B,) int64, the samples' positions in their store."""


class Sample(NamedTuple):
    """One image and its labels in main memory, as a reader makes them and a packed store keeps them."""

    values: dict[str, npt.NDArray[Any]]
    """Per field of the store, the image among them: (H, W) or (H, W, C), as the field's modality says."""
    valid: dict[str, npt.NDArray[np.bool_]]
    """Per field that may lack values, all but the image: (H, W)."""
    name: str
    """The name under which the source knows this image, such as a file stem."""
    before: dict[str, tuple[npt.NDArray[Any], npt.NDArray[np.bool_]]] | None = None
    """Labels with their masks at the size that they had before they were resized, where it is measured what was lost:
    (H', W')."""
