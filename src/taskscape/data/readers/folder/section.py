"""Base class of the sections of ``taskscape.yaml``: a kind of label, and how to read its files."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from taskscape.data.readers.samples import Samples
from taskscape.modalities import Modality
from taskscape.modalities.base import Array, Mask
from taskscape.serialization import named


@dataclass(frozen=True)
class Section(ABC):
    """How to read the files of one field: a frozen dataclass whose fields are the keys of the section."""

    name: ClassVar[str]
    """Value of the key ``type``; a section of this name needs no type."""
    channels: ClassVar[int | None] = None
    """Number of channels, 1 or 3, to which palette images are converted; None to read their indices."""

    can_vanish: ClassVar[bool] = False
    """Whether resizing can lose categories; if so, labels are compared before and after."""

    folder: str | None = None
    """Folder of the files, which can be outside the raw folder; by default the name of the section."""
    suffix: str = ""
    """Suffix of the files' names after those of their images: ``_mask`` for ``a_mask.png`` and ``a.jpg``."""

    @classmethod
    def plain(cls, keys: dict[str, Any]) -> dict[str, Any]:
        """Convert shorthand forms of a section's keys to the form of the fields.

        Raises ``ValueError`` for forms that would be misread.
        """
        return keys

    @abstractmethod
    def modality(self) -> Modality:
        """Return the modality of the labels."""

    def modality_of(self, labels: Sequence[Samples]) -> Modality:
        """Return the modality, refined by the first few labels; by default ``modality()``."""
        return self.modality()

    @abstractmethod
    def read(self, stored: Array, exact: bool) -> tuple[Array, Mask]:
        """Return the values, as in ``Sample``, and their mask, from the stored (H, W) or (H, W, C).

        ``exact`` is true if the file is an array of exact values, not an image. Raises ``ValueError`` whose message
        continues a sentence that starts with the file's path.
        """

    def decode(self, label: Samples) -> tuple[Array, Mask]:
        """Return values and mask as ``read`` does, with the file's palette and transparency taken into account.

        Transparent pixels have no label. Raises ``ValueError`` as ``read`` does.
        """
        if label.lossy:
            raise ValueError("is in a lossy format, which changes labels: export it again as PNG, or as lossless WebP")
        result: Any = self.read(self._without_palette(label), label.exact)
        if not (isinstance(result, tuple) and len(result) == 2):
            raise ValueError(
                f"is passed to {named(type(self).read)}, which returns a {type(result).__name__}: return the values "
                "and their mask"
            )
        values, valid = result
        return values, valid if label.opaque is None else valid & label.opaque

    def doubts(self, labels: Sequence[Samples]) -> str:
        """Return a doubt about the first few labels, phrased to follow the name of their folder, or an empty string."""
        return ""

    def _without_palette(self, label: Samples) -> Array:
        if label.palette is None or self.channels is None:
            return label.values
        colors: Array = label.palette[label.values]
        if self.channels == 3:
            return colors
        if np.any(colors != colors[..., :1]):
            raise ValueError("is a palette image with colors: export the numbers themselves, as gray or an array")
        gray: Array = colors[..., 0]
        return gray

    def about(self) -> dict[str, Any]:
        """Return the manifest entry about the conversion; JSON-serializable values."""
        return {}
