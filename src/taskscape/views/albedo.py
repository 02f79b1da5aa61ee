"""Albedo: shown and written as sRGB images."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image
from typing_extensions import override

from taskscape.modalities.albedo import Albedo, encode_8bit
from taskscape.modalities.base import Array, Mask
from taskscape.views.arrays import RgbArray
from taskscape.views.base import View, mean_per_image
from taskscape.views.colors import ERROR, INVALID, apply_scale, finite
from taskscape.views.key import Key, Scale, error_ticks

LARGEST_ERROR = 0.2
"""Mean error of the reflectance over the three channels at the end of the difference scale."""


@dataclass(frozen=True)
class AlbedoView(View[Albedo]):
    """Values are (..., 3) linear reflectance in 0..1; values above 1 are shown as 1."""

    @override
    def align(self, prediction: Array, label: Array, valid: Mask) -> Array:
        """Return each image's prediction multiplied by the factor that brings it closest to the label."""
        valid = finite(label, valid) & finite(prediction)
        y, p = (np.where(valid[..., None], x, 0.0) for x in (label, prediction))
        products, squares = (np.sum(x * p, axis=(1, 2, 3), keepdims=True) for x in (y, p))
        scale = np.divide(products, squares, out=np.ones_like(products), where=(squares > 0) & (products > 0))
        return np.asarray(prediction * scale, prediction.dtype)

    @override
    def colorize(self, values: Array, valid: Mask | None = None) -> RgbArray:
        usable = finite(values, valid)
        rgb = encode_8bit(np.where(usable[..., None], values, 0.0))
        rgb[~usable] = INVALID
        return rgb

    @override
    def difference(self, label: Array, prediction: Array, valid: Mask) -> RgbArray:
        """Return the mean error of the three channels, from white to violet."""
        return apply_scale(np.abs(prediction - label).mean(-1) / LARGEST_ERROR, valid, ERROR)

    @override
    def scores(self, label: Array, prediction: Array, valid: Mask) -> list[str]:
        squares = np.square(self.align(prediction, label, valid) - label).mean(-1)
        return mean_per_image(squares, valid, "si-MSE {:.4f}")

    @override
    def coloring(self) -> Mapping[str, Any]:
        """Return a gamma that approximates the sRGB curve, which is linear near black."""
        return {"channels": {"factor": [255.0] * 3, "offset": 0.0, "gamma": 1 / 2.2}}

    @override
    def key(self) -> Key:
        return ("Color of the surfaces, without light and shadow; brightness is relative.",)

    @override
    def difference_key(self) -> Key:
        return (
            "Each prediction is scaled to the brightness of its label. Difference: mean error of the red, green and "
            "blue reflectance.",
            Scale(ERROR, error_ticks(LARGEST_ERROR)),
        )

    @override
    def encode(self, values: Array) -> Image.Image:
        return Image.fromarray(encode_8bit(values))

    @override
    def metadata(self) -> Mapping[str, Any]:
        return {
            "type": self.modality.name,
            "reflectance": "sRGB, 8 bits a channel: decode to linear",
            "scale": "relative: the brightness of an image is not known",
        }
