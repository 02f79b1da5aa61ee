"""Albedo: the color of a surface without its illumination."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import numpy.typing as npt
from typing_extensions import override

from taskscape.batch import Target
from taskscape.devices import on_device
from taskscape.modalities.base import Array, Counts, Mask, Modality

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Albedo(Modality):
    """The share of light that a surface reflects, (H, W, 3): linear red, green and blue in 0..1.

    Stores keep 8 bits per channel, encoded as in sRGB images (``encode_8bit``). There, (0, 0, 0) marks a pixel without
    a label, so valid black is stored as (1, 1, 1), which is 0.0003.
    """

    name: ClassVar[str] = "albedo"
    dtype: ClassVar[str] = "uint8"
    shape: ClassVar[tuple[int, ...]] = (3,)
    sentinel: ClassVar[int | None] = 0

    @property
    @override
    def unit(self) -> str:
        return "reflectance"

    @override
    def check(self, values: Array) -> None:
        if not np.all((values >= 0) & (values <= 1)):
            raise ValueError("a valid albedo is outside 0..1: scale it, or mark the pixel as not valid")

    @override
    def quantize(self, values: Array) -> Array:
        stored = encode_8bit(values)
        return np.where(stored.any(-1, keepdims=True), stored, 1)

    @override
    def as_label(self, values: Array, valid: Mask) -> Array:
        return values.clip(0, 1)

    @override
    def unpack(self, stored: "Tensor") -> Target:
        """Return (B, 3, H, W) float32 linear reflectance, 0 where there is no label."""
        linear = on_device(_LINEAR.astype(np.float32), stored.device)
        value = linear.take(stored.permute(0, 3, 1, 2).long())
        return Target(value, stored.amax(-1) > 0)

    @property
    @override
    def bins(self) -> tuple[str, ...]:
        return tuple(f"{low / 10:g} … {(low + 1) / 10:g}" for low in range(10))

    @override
    def histogram(self, values: Array) -> Counts:
        """Count the pixels by the mean of their channels."""
        return np.histogram(values.mean(-1), len(self.bins), (0.0, 1.0))[0]


def encode_8bit(linear: Array) -> npt.NDArray[np.uint8]:
    """Return linear intensities in 0..1 as 8-bit sRGB values (IEC 61966-2-1); others are clipped."""
    x = np.clip(np.asarray(linear, np.float64), 0.0, 1.0)
    coded = np.where(x <= 0.0031308, 12.92 * x, 1.055 * x ** (1 / 2.4) - 0.055)
    return np.asarray(np.rint(255 * coded), np.uint8)


def decode_8bit(srgb: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
    """Return the linear intensities of 8-bit sRGB values."""
    return np.asarray(_LINEAR[srgb])


_CODED = np.arange(256) / 255
_LINEAR = np.where(_CODED <= 0.04045, _CODED / 12.92, ((_CODED + 0.055) / 1.055) ** 2.4)
"""The linear intensity of every 8-bit sRGB value, (256,)."""
