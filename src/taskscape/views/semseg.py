"""Class ids: shown with one color per class, written as 8-bit images with a palette."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image
from typing_extensions import override

from taskscape.modalities.base import Array, Mask
from taskscape.modalities.semseg import Semseg
from taskscape.views.arrays import Color, RgbArray
from taskscape.views.base import View, mean_per_image
from taskscape.views.colors import INVALID, NEUTRAL
from taskscape.views.key import Key, Swatches


@dataclass(frozen=True)
class SemsegView(View[Semseg]):
    """Values are (...) class ids."""

    @property
    @override
    def classes(self) -> Mapping[str, Color]:
        class_set = self.modality.classes
        return dict(zip(class_set.classes, class_set.palette, strict=True))

    @override
    def colorize(self, values: Array, valid: Mask | None = None) -> RgbArray:
        """Return the color of each class; ids outside the class set become ``INVALID``."""
        table = np.array([*self.classes.values(), INVALID], np.uint8)
        no_class = len(table) - 1
        has_class = (values >= 0) & (values < no_class)
        if valid is not None:
            has_class &= valid
        return table[np.where(has_class, values, no_class)]

    @override
    def difference(self, label: Array, prediction: Array, valid: Mask) -> RgbArray:
        """Return wrong pixels in the color of the predicted class."""
        rgb = self.colorize(prediction)
        rgb[label == prediction] = NEUTRAL
        rgb[~valid] = INVALID
        return rgb

    @override
    def scores(self, label: Array, prediction: Array, valid: Mask) -> list[str]:
        return mean_per_image(100.0 * (label == prediction), valid, "{:.1f} % correct")

    @override
    def coloring(self) -> Mapping[str, Any]:
        return {"palette": [list(color) for color in self.classes.values()]}

    @override
    def key(self) -> Key:
        return (Swatches(list(self.classes.items())),)

    @override
    def difference_key(self) -> Key:
        return (
            "Difference: wrong pixels in the color of the predicted class.",
            Swatches([("correct", NEUTRAL), ("no label", INVALID)]),
        )

    @override
    def preview(self, image: RgbArray, values: Array) -> RgbArray:
        """Return the class colors blended over the image."""
        return self.over(image, values)

    @override
    def encode(self, values: Array) -> Image.Image:
        """Return an image of class ids with their colors as its palette.

        Raises ``ValueError`` for ids that are not integers in 0 … 255.
        """
        ids = values.astype(np.uint8)
        if values.dtype != np.uint8 and (ids != values).any():
            raise ValueError(f"ids are {values.min()} … {values.max()}: a file of classes holds integers, 0 … 255")
        encoded = Image.fromarray(ids)
        encoded.putpalette(np.array(list(self.classes.values()), np.uint8).tobytes())
        return encoded

    @override
    def metadata(self) -> Mapping[str, Any]:
        return {"type": self.modality.name, "classes": list(self.classes)}
