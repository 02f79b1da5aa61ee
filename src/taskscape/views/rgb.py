"""Color images: shown and written as they are."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image
from typing_extensions import override

from taskscape.modalities.base import Array, Mask
from taskscape.modalities.rgb import Rgb
from taskscape.views.arrays import RgbArray
from taskscape.views.base import View, mean_per_image
from taskscape.views.colors import ERROR, INVALID, apply_scale, finite
from taskscape.views.key import Key, Scale, error_ticks

LARGEST_ERROR = 0.5
"""Mean error of the three channels, as a share of the range, at the end of the difference scale."""


@dataclass(frozen=True)
class RgbView(View[Rgb]):
    """Values are (..., 3) RGB: uint8 in 0..255, or floating-point in 0..1."""

    @override
    def colorize(self, values: Array, valid: Mask | None = None) -> RgbArray:
        usable = finite(values, valid)
        if values.dtype == np.uint8:
            rgb: RgbArray = values.copy()
        else:
            rgb = np.rint(np.where(usable[..., None], values, 0.0).clip(0, 1) * 255).astype(np.uint8)
        rgb[~usable] = INVALID
        return rgb

    @override
    def difference(self, label: Array, prediction: Array, valid: Mask) -> RgbArray:
        """Return the mean error of the three channels, from white to violet."""
        return apply_scale(self._error(label, prediction) / LARGEST_ERROR, valid, ERROR)

    @override
    def scores(self, label: Array, prediction: Array, valid: Mask) -> list[str]:
        return mean_per_image(100.0 * self._error(label, prediction), valid, "{:.1f} % error")

    @override
    def difference_key(self) -> Key:
        return (
            "Difference: mean error of red, green and blue, as a share of their range.",
            Scale(ERROR, error_ticks(100 * LARGEST_ERROR, " %")),
        )

    @override
    def encode(self, values: Array) -> Image.Image:
        return Image.fromarray(self.colorize(values))

    @override
    def metadata(self) -> Mapping[str, Any]:
        return {"type": self.modality.name, "color": "sRGB, 8 bits a channel"}

    def _error(self, label: Array, prediction: Array) -> Array:
        """Return the absolute error (...), averaged over the channels, as a share of the range; NaN without values."""
        error = np.abs(self.colorize(label).astype(np.float32) - self.colorize(prediction).astype(np.float32))
        return np.where(finite(label) & finite(prediction), error.mean(-1) / 255, np.float32(np.nan))
