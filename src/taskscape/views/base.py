"""How a modality is shown to people and written to a file by ``predict``. No torch here: reports stand on this."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Generic, TypeVar

import numpy as np
import numpy.typing as npt
from PIL import Image

from taskscape.modalities import Modality

Rgb = npt.NDArray[np.uint8]
"""(..., 3), RGB in 0..255."""
Mask = npt.NDArray[np.bool_]
Array = npt.NDArray[Any]

M = TypeVar("M", bound=Modality)


class View(ABC, Generic[M]):
    """How the maps of one modality look. Everywhere ``...`` stands for (H, W) or (N, H, W)."""

    extension: ClassVar[str] = "png"
    """Of the file that ``encode`` gives."""

    def __init__(self, modality: M) -> None:
        self.modality = modality

    def fit(self, values: Array, valid: Mask | None = None) -> "View[M]":
        """Return this view with its scale fitted to these values, so that several maps can be compared by color."""
        return self

    def align(self, prediction: Array, label: Array, valid: Mask) -> Array:
        """Return the prediction brought to what can be compared with the label, such as one scale for relative depth."""
        return prediction

    @abstractmethod
    def colorize(self, values: Array, valid: Mask | None = None) -> Rgb:
        """Return (..., 3) colors of values (...) or (..., C)."""

    @abstractmethod
    def difference(self, label: Array, prediction: Array, valid: Mask) -> Rgb:
        """Return colors that show where and how the prediction is wrong."""

    @abstractmethod
    def scores(self, label: Array, prediction: Array, valid: Mask) -> list[str]:
        """Return for each of N images, in a few words, how good the prediction is; empty without labels."""

    @abstractmethod
    def legend(self, label: Array, prediction: Array, valid: Mask) -> str:
        """Return HTML that says what the colors of ``colorize`` and ``difference`` mean."""

    def preview(self, image: Rgb, values: Array) -> Rgb:
        """Return what stands beside an (H, W, 3) image for people: the colored values, or an overlay."""
        return self.colorize(values)

    @abstractmethod
    def encode(self, values: Array) -> Image.Image:
        """Return the file form of a prediction (H, W) or (H, W, C) that other programs read."""

    @abstractmethod
    def metadata(self) -> Mapping[str, Any]:
        """Return how to read the file that ``encode`` gives: plain values for ``metadata.json``."""
