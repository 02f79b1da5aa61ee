"""Base class of views: how a modality is shown in colors and written to files.

Does not import torch, since reports depend on it.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar, Generic, Self, TypeVar, get_type_hints

from PIL import Image

from taskscape.modalities.base import Array, Mask, Modality
from taskscape.serialization import nearest, structure
from taskscape.views.arrays import Color, RgbArray
from taskscape.views.colors import overlay
from taskscape.views.key import Key
from taskscape.views.legend import as_html

M = TypeVar("M", bound=Modality)


@dataclass(frozen=True)
class View(ABC, Generic[M]):
    """How the maps of one modality are shown and written. In shapes, ``...`` stands for (H, W) or (N, H, W).

    A view is a frozen dataclass. All fields except ``modality`` are its settings and have defaults. They are changed by
    ``with_settings`` and by ``taskscape predict --view TASK.SETTING=VALUE``.
    """

    extension: ClassVar[str] = "png"
    """Extension of the file that ``encode`` returns, from which Pillow takes the format."""
    file_remedy: ClassVar[str] = ""
    """What the user can do about values that are ``beyond_file``, as text."""

    modality: M
    """Modality of the maps."""

    def with_settings(self, settings: Mapping[str, Any], where: str = "view") -> Self:
        """Return this view with changed settings, plain values by name; ``where`` names them in error messages.

        Raises ``ValueError`` for unknown settings and invalid values.
        """
        names = [field.name for field in fields(self) if field.name != "modality"]
        for name in settings:
            if name not in names:
                raise ValueError(f"{where} has no setting {name!r}{nearest(name, names)}")
        types = get_type_hints(type(self))
        return replace(
            self, **{name: structure(value, f"{where}.{name}", types[name]) for name, value in settings.items()}
        )

    def fit(self, values: Array, valid: Mask | None = None) -> Self:
        """Return this view with its color scale fitted to these values, so that several maps can share it."""
        return self

    def within(self, smallest: float, largest: float) -> Self:
        """Return this view for values of this range, on which the file format may depend."""
        return self

    def comparable(self, values: Array) -> Array:
        """Return one image's values in a unit that is comparable across images, such as depth over its median."""
        return values

    def align(self, prediction: Array, label: Array, valid: Mask) -> Array:
        """Return the prediction aligned to the label, both (N, H, W), such as depth of unknown scale."""
        return prediction

    @abstractmethod
    def colorize(self, values: Array, valid: Mask | None = None) -> RgbArray:
        """Return the colors, (..., 3), of values (...) or (..., C); pixels that are not valid become ``INVALID``."""

    @abstractmethod
    def difference(self, label: Array, prediction: Array, valid: Mask) -> RgbArray:
        """Return colors, (..., 3), that show where and how the prediction is wrong; ``NEUTRAL`` where it is correct."""

    @abstractmethod
    def scores(self, label: Array, prediction: Array, valid: Mask) -> list[str]:
        """Return a caption with the score of each of N images; empty for images without labels."""

    def coloring(self) -> Mapping[str, Any]:
        """Return how programs without taskscape can color values as ``colorize`` does, as JSON values.

        The result has one of these keys; it is empty unless overridden:

        - ``palette``: [r, g, b] per class id.
        - ``scale``: ``colors``, a list of [r, g, b] at even distances between the values ``from`` and ``to``, or
          between their logarithms if ``logarithmic``; ends that are None are the 2nd and 98th percentile of the image.
        - ``channels``: ``factor`` and ``offset`` that map each of three channels to 0..255, after the power ``gamma``.
        """
        return {}

    def key(self) -> Key:
        """Return the color key of ``colorize``, with the fitted scale; empty unless overridden."""
        return ()

    def difference_key(self) -> Key:
        """Return the color key of ``difference``; empty unless overridden."""
        return ()

    def legend(self, label: Array, prediction: Array, valid: Mask) -> str:
        """Return HTML that explains the colors of ``colorize`` and ``difference``; by default their keys."""
        return as_html([*self.fit(label, valid).key(), *self.difference_key()])

    @property
    def classes(self) -> Mapping[str, Color]:
        """Names and colors of the classes in the order of their ids; empty if values are not class ids."""
        return {}

    @property
    def axis(self) -> str:
        """Label of a plot axis for the values, such as ``meters``."""
        return self.modality.unit

    def preview(self, image: RgbArray, values: Array) -> RgbArray:
        """Return the picture of the values to show beside an (H, W, 3) image: the colored values, or an overlay."""
        return self.colorize(values)

    def over(self, image: RgbArray, values: Array) -> RgbArray:
        """Return the colored values blended over an image; both are (..., 3)."""
        return overlay(image, self.colorize(values))

    def preview_key(self) -> Key:
        """Return the color key of ``preview``; by default that of ``colorize``."""
        return self.key()

    @abstractmethod
    def encode(self, values: Array) -> Image.Image:
        """Return a prediction, (H, W) or (H, W, C), as an image file that other programs can read."""

    @abstractmethod
    def metadata(self) -> Mapping[str, Any]:
        """Return how to read the file that ``encode`` returns, as plain values for ``metadata.json``."""

    def beyond_file(self, values: Array) -> Mask | None:
        """Return the (H, W) mask of values that the file of ``encode`` cannot store; None if it stores all values."""
        return None


def mean_per_image(error: Array, valid: Mask, text: str) -> list[str]:
    """Return the mean error over valid pixels of each of N images, formatted by ``text``; empty if none are valid."""
    return [text.format(e[v].mean()) if v.any() else "" for e, v in zip(error, valid, strict=True)]
