"""The local contrast of an image, on which the edges of its labels should lie."""

from functools import cached_property

import numpy as np
import numpy.typing as npt

from taskscape.modalities.base import Array


class Contrast:
    """The local contrast of the colors of an (H, W, 3) image."""

    def __init__(self, image: Array) -> None:
        channels = np.ascontiguousarray(np.moveaxis(image, -1, 0), np.float32)  # NumPy sums short last axes slowly
        change = np.zeros(channels.shape[1:], np.float32)
        change[1:] += np.abs(np.diff(channels, axis=1)).sum(0)
        change[:, 1:] += np.abs(np.diff(channels, axis=2)).sum(0)
        change = np.minimum(change, np.float32(4) * change.mean())  # so that a few sharp edges do not dominate
        self.values: npt.NDArray[np.float32] = np.asarray(change / max(float(change.mean()), 1e-6), np.float32)
        """(H, W), with a mean of 1."""

    @cached_property
    def spectrum(self) -> Array:
        """The Fourier transform of ``values``, which the labels of all fields share."""
        return np.fft.rfft2(self.values)
