"""Boundaries: shown as dark lines on white, written as 8-bit gray."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image
from typing_extensions import override

from taskscape.modalities.base import Array, Mask
from taskscape.modalities.boundaries import Boundaries
from taskscape.views.arrays import Color, RgbArray
from taskscape.views.base import View
from taskscape.views.colors import INVALID, NEUTRAL, apply_scale, color_table, overlay
from taskscape.views.key import Key, Scale, Swatches

PROBABILITY = "gray_r"
"""White to black."""
MISSED: Color = (200, 40, 40)
FALSE_ALARM: Color = (40, 90, 200)
LINE: Color = (255, 60, 0)
"""Color of boundaries drawn over an image."""


@dataclass(frozen=True)
class BoundariesView(View[Boundaries]):
    """Values are (...) probabilities in 0..1; labels are 0 or 1."""

    threshold: float = 0.5
    """Minimum probability of a predicted boundary in differences, scores and overlays."""

    def __post_init__(self) -> None:
        if not 0 < self.threshold < 1:
            raise ValueError(f"threshold is {self.threshold}: it must be between 0 and 1")

    @override
    def colorize(self, values: Array, valid: Mask | None = None) -> RgbArray:
        return apply_scale(values, valid, PROBABILITY)

    @override
    def difference(self, label: Array, prediction: Array, valid: Mask) -> RgbArray:
        """Return missed boundaries (red) and false alarms (blue), pixel by pixel."""
        true, predicted = label > 0.5, prediction >= self.threshold
        rgb: RgbArray = np.full((*label.shape, 3), NEUTRAL, np.uint8)
        rgb[true & ~predicted] = MISSED
        rgb[~true & predicted] = FALSE_ALARM
        rgb[~(valid & np.isfinite(label) & np.isfinite(prediction))] = INVALID
        return rgb

    @override
    def scores(self, label: Array, prediction: Array, valid: Mask) -> list[str]:
        """Return the F-measure at the threshold, without tolerance, for images with a boundary.

        It is NaN for predictions that are not finite.
        """
        texts = []
        for y, p, v in zip(label, prediction, valid & np.isfinite(label), strict=True):
            true, predicted = y[v] > 0.5, p[v] >= self.threshold
            hits = (true & predicted).sum() if np.isfinite(p[v]).all() else np.nan
            texts.append(f"F {200 * hits / (true.sum() + predicted.sum()):.1f} %" if true.any() else "")
        return texts

    @override
    def coloring(self) -> Mapping[str, Any]:
        colors = color_table(PROBABILITY).tolist()
        return {"scale": {"colors": colors, "from": 0.0, "to": 1.0, "logarithmic": False}}

    @override
    def key(self) -> Key:
        return ("Probability of a boundary.", Scale(PROBABILITY, [(0.0, "0"), (0.5, "50 %"), (1.0, "100 %")]))

    @override
    def difference_key(self) -> Key:
        return (
            f"Difference: pixels with a probability of {100 * self.threshold:g} % or more count as boundary; F is "
            "without tolerance.",
            Swatches([("missed", MISSED), ("false alarm", FALSE_ALARM), ("correct", NEUTRAL), ("no label", INVALID)]),
        )

    @override
    def preview(self, image: RgbArray, values: Array) -> RgbArray:
        return self.over(image, values)

    @override
    def over(self, image: RgbArray, values: Array) -> RgbArray:
        """Return the predicted boundaries drawn over the image; values that are not finite are blended as gray."""
        drawn = np.where((values >= self.threshold)[..., None], np.array(LINE, np.uint8), image)
        return np.where(np.isfinite(values)[..., None], drawn, overlay(image, np.array(INVALID, np.uint8)))

    @override
    def preview_key(self) -> Key:
        return (Swatches([(f"boundary, with a probability of {100 * self.threshold:g} % or more", LINE)]),)

    @override
    def encode(self, values: Array) -> Image.Image:
        return Image.fromarray(np.rint(values.clip(0, 1) * 255).astype(np.uint8))

    @override
    def metadata(self) -> Mapping[str, Any]:
        return {"type": self.modality.name, "probability": "gray / 255"}
