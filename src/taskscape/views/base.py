"""How a modality is shown to people and written to a file by ``predict``. No torch here: reports stand on this."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar, Generic, Self, TypeVar, get_type_hints

from PIL import Image

from taskscape.modalities.base import Modality
from taskscape.serialization import nearest, structure
from taskscape.views.arrays import Array, Color, Mask, RgbArray
from taskscape.views.colors import overlay
from taskscape.views.key import Key
from taskscape.views.legend import as_html

M = TypeVar("M", bound=Modality)


@dataclass(frozen=True)
class View(ABC, Generic[M]):
    """How the maps of one modality look. Everywhere ``...`` stands for (H, W) or (N, H, W).

    A view is a frozen dataclass. Fields beside ``modality`` are its settings, with defaults: ``with_settings``
    changes them, and so does ``taskscape predict --view TASK.SETTING=VALUE``.
    """

    extension: ClassVar[str] = "png"
    """Of the file that ``encode`` gives; Pillow writes the format that belongs to it."""
    file_remedy: ClassVar[str] = ""
    """What to do about values that are ``beyond_file``, in words."""

    modality: M
    """What the maps hold."""

    def with_settings(self, settings: Mapping[str, Any], where: str = "view") -> Self:
        """Return this view with other settings, plain values by name; ``where`` names them in errors.

        Raises ``ValueError`` for a setting that the view does not have, and for a value that it cannot have.
        """
        known = [field.name for field in fields(self) if field.name != "modality"]
        for name in settings:
            if name not in known:
                raise ValueError(f"{where} has no setting {name!r}{nearest(name, known)}")
        kinds = get_type_hints(type(self))
        return replace(self, **{name: structure(v, f"{where}.{name}", kinds[name]) for name, v in settings.items()})

    def fit(self, values: Array, valid: Mask | None = None) -> Self:
        """Return this view with its scale fitted to these values, so that several maps can be compared by color."""
        return self

    def within(self, smallest: float, largest: float) -> Self:
        """Return this view for values of this range, which the form of the file may depend on."""
        return self

    def comparable(self, values: Array) -> Array:
        """Return one image's values in a unit that other images share, such as relative depth over its median."""
        return values

    def align(self, prediction: Array, label: Array, valid: Mask) -> Array:
        """Return the prediction made comparable with the label, both (N, H, W), such as depth of an unknown scale."""
        return prediction

    @abstractmethod
    def colorize(self, values: Array, valid: Mask | None = None) -> RgbArray:
        """Return the colors, (..., 3), of values (...) or (..., C); pixels that are not valid become ``INVALID``."""

    @abstractmethod
    def difference(self, label: Array, prediction: Array, valid: Mask) -> RgbArray:
        """Return colors, (..., 3), that show where and how the prediction is wrong; ``NEUTRAL`` where it is right."""

    @abstractmethod
    def scores(self, label: Array, prediction: Array, valid: Mask) -> list[str]:
        """Return for each of N images, in a few words, how good the prediction is; empty without labels."""

    def coloring(self) -> Mapping[str, Any]:
        """Return how programs without taskscape color values as ``colorize`` does: plain values for JSON.

        One of these; nothing unless overridden:

        - ``palette``: [r, g, b] per class id.
        - ``scale``: ``colors``, a list of [r, g, b], evenly between the values ``from`` and ``to`` or, where
          ``logarithmic``, their logarithms; ends that are None are the 2nd and 98th percentile of the image.
        - ``channels``: ``factor`` and ``offset`` of each of three channels to 0..255, after ``gamma``, a power.
        """
        return {}

    def key(self) -> Key:
        """Return what the colors of ``colorize`` mean, on the fitted scale; nothing unless overridden."""
        return ()

    def difference_key(self) -> Key:
        """Return what the colors of ``difference`` mean; nothing unless overridden."""
        return ()

    def legend(self, label: Array, prediction: Array, valid: Mask) -> str:
        """Return HTML that says what the colors of ``colorize`` and ``difference`` mean: by default their keys."""
        return as_html([*self.fit(label, valid).key(), *self.difference_key()])

    @property
    def classes(self) -> Mapping[str, Color]:
        """Names and colors of the classes in the order of their ids; empty where values are no class ids."""
        return {}

    @property
    def axis(self) -> str:
        """What stands at an axis along which values are drawn, such as ``metres``."""
        return self.modality.unit

    def preview(self, image: RgbArray, values: Array) -> RgbArray:
        """Return what stands beside an (H, W, 3) image for people: the colored values, or an overlay."""
        return self.colorize(values)

    def over(self, image: RgbArray, values: Array) -> RgbArray:
        """Return the colored values laid over an image, (..., 3) as the result."""
        return overlay(image, self.colorize(values))

    def preview_key(self) -> Key:
        """Return what the colors of ``preview`` mean: by default those of ``colorize``."""
        return self.key()

    @abstractmethod
    def encode(self, values: Array) -> Image.Image:
        """Return the file form of a prediction, (H, W) or (H, W, C), that other programs read."""

    @abstractmethod
    def metadata(self) -> Mapping[str, Any]:
        """Return how to read the file that ``encode`` gives: plain values for ``metadata.json``."""

    def beyond_file(self, values: Array) -> Mask | None:
        """Return where values are beyond what the file of ``encode`` can hold, (H, W); None where it holds all."""
        return None


def mean_per_image(error: Array, valid: Mask, text: str) -> list[str]:
    """Return the mean error over the valid pixels of each of N images, formatted by ``text``; empty without any."""
    return [text.format(e[v].mean()) if v.any() else "" for e, v in zip(error, valid, strict=True)]
