"""Samples, targets with their masks, and batches: the types passed from the data to the losses and metrics.

All of them are NamedTuples, so they survive collation, device transfers, compilation and export unchanged.
"""

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:  # reports import the modalities, which use these types, and must work without torch
    from torch import Tensor


class Target(NamedTuple):
    """The ground truth of one task, with a mask of its valid pixels.

    A data set converts its sentinels (0, -1, 255, NaN) to ``valid`` once, when it is read; no later code handles
    sentinels. If an image lacks a label, its mask is all false. Where ``valid`` is false, ``value`` is arbitrary but
    finite.
    """

    value: "Tensor"
    """Shape by modality: (B, H, W) int64 class ids, (B, 1, H, W) float32 depth, (B, 3, H, W) float32 vectors, …"""
    valid: "Tensor"
    """(B, H, W) bool."""


class Batch(NamedTuple):
    """Images and their targets on the device, ready for a network."""

    image: "Tensor"
    """(B, 3, H, W) float32, RGB in 0..1. Networks whose encoder needs a different scale normalize it themselves."""
    targets: dict[str, Target]
    """One target per task."""
    indices: "Tensor"
    """(B,) int64, positions of the samples in their store."""


class Sample(NamedTuple):
    """One image and its labels in main memory, as returned by a reader and stored in a packed store."""

    values: dict[str, npt.NDArray[Any]]
    """One array per field of the store, including the image: (H, W) or (H, W, C), depending on the field's modality."""
    valid: dict[str, npt.NDArray[np.bool_]]
    """One mask per field that may lack values, which is every field but the image: (H, W)."""
    name: str
    """The name of this image in its source, such as a file stem."""
    originals: dict[str, tuple[npt.NDArray[Any], npt.NDArray[np.bool_]]] | None = None
    """Labels and masks at their size before resizing, (H', W'). Set only if the loss from resizing is measured."""


def require_tensor(name: str, x: Any) -> None:
    """Raise ``ValueError`` for anything but a tensor, such as an array of NumPy; ``name`` says what it is."""
    from torch import Tensor

    if not isinstance(x, Tensor):
        raise ValueError(
            f"{name} is of type {type(x).__name__}: give a tensor, such as torch.from_numpy(x) of an array"
        )
