"""Confidence: shown from dark for unsure to bright for sure, written as 16-bit gray."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from taskscape.modalities.base import Array, Mask
from taskscape.views.arrays import RgbArray
from taskscape.views.colors import apply_scale, color_table
from taskscape.views.key import Key, Scale

COLORS = "cividis"
"""Dark blue to yellow, with evenly increasing lightness."""
LARGEST_STEP = 65535


@dataclass(frozen=True)
class ConfidenceView:
    """How the confidence of a task is shown. Values are (...) in 0..1; ``...`` stands for (H, W) or (N, H, W)."""

    words: str
    """Meaning of the confidence, such as ``probability that the class is right``."""
    calibrated: bool = False
    """Whether it was calibrated on validation images."""

    def colorize(self, values: Array, valid: Mask | None = None) -> RgbArray:
        """Return the colors, (..., 3); pixels that are not valid become ``INVALID``."""
        return apply_scale(values.astype(np.float32), valid, COLORS)

    def coloring(self) -> Mapping[str, Any]:
        """Return how programs without taskscape can color values as ``colorize`` does; see ``View.coloring``."""
        return {"scale": {"colors": color_table(COLORS).tolist(), "from": 0.0, "to": 1.0, "logarithmic": False}}

    def key(self) -> Key:
        """Return the color key of ``colorize``."""
        suffix = "" if self.calibrated else ", not calibrated"
        text = f"{self.words[:1].upper()}{self.words[1:]}{suffix}."
        return (text, Scale(COLORS, [(0.0, "0, unsure"), (0.5, "50 %"), (1.0, "100 %, sure")]))

    def encode(self, values: Array) -> Image.Image:
        """Return (H, W) values as a 16-bit gray image, with 65535 for 1."""
        return Image.fromarray(np.rint(values.clip(0, 1) * LARGEST_STEP).astype(np.uint16))

    def metadata(self) -> Mapping[str, Any]:
        """Return how to read the file that ``encode`` returns, as plain values for ``metadata.json``."""
        return {
            "type": "confidence",
            "confidence": f"gray / {LARGEST_STEP}",
            "of": self.words,
            "calibrated": self.calibrated,
        }
