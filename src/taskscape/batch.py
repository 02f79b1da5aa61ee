"""What travels from the data to the losses and metrics: targets with their masks, samples, batches.

Everything here is a NamedTuple, so it passes collation, devices, compilation and export untouched.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from torch import Tensor


class Target(NamedTuple):
    """The ground truth of one task and where it holds.

    A data set turns its sentinels (0, -1, 255, NaN) into ``valid`` once, at its edge; nothing behind it looks at
    sentinels again. A label that an image does not have is an all-false mask. What ``value`` holds where ``valid`` is
    false is arbitrary but finite.
    """

    value: Tensor
    """Semantic segmentation: (B, H, W) int64 class ids. Depth: (B, 1, H, W) float32 metres along the optical axis.
    Surface normals: (B, 3, H, W) float32 unit vectors in OpenCV camera axes (x right, y down, z forward)."""
    valid: Tensor
    """(B, H, W) bool."""


class Batch(NamedTuple):
    """Images and their targets on the device, ready for a network."""

    image: Tensor
    """(B, 3, H, W) float32, RGB in 0..1. A network whose encoder wants another scale normalises by itself."""
    targets: dict[str, Target]
    """One per task name."""
    indices: Tensor
    """(B,) int64, the samples' positions in their store."""


class Sample(NamedTuple):
    """One image and its labels in main memory, as a data set reads them and a packed store keeps them."""

    image: npt.NDArray[np.uint8]
    """(H, W, 3) RGB."""
    labels: dict[str, npt.NDArray[np.generic]]
    """Per task: class ids (H, W), metres (H, W), unit vectors (H, W, 3)."""
    valid: dict[str, npt.NDArray[np.bool_]]
    """Per task: (H, W)."""
    name: str
    """The name under which the source knows this image, such as a file stem."""
