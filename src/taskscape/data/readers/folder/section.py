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
    """Number of channels, 1 or 3, of the files; palette images are converted to it. None for any number, and to read
    the indices of palette images."""

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
        result: Any = self.read(self._stored(label), label.exact)
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

    def _stored(self, label: Samples) -> Array:
        """Return the numbers of a label, with ``channels`` channels. Raises ``ValueError`` if it has another number."""
        values = label.values
        if label.palette is not None and self.channels is not None:
            values = label.palette[values]
            if self.channels == 1:
                if np.any(values != values[..., :1]):
                    raise ValueError(
                        "is a palette image with colors: export the numbers themselves, as gray or an array"
                    )
                values = values[..., 0]
        if self.channels == 1 and values.ndim != 2:
            raise ValueError(f"has shape {values.shape} instead of (H, W): save one number per pixel, not their colors")
        if self.channels == 3 and values.shape[2:] != (3,):
            raise ValueError(f"has shape {values.shape} instead of (H, W, 3): convert it")
        return values

    def about(self) -> dict[str, Any]:
        """Return the manifest entry about the conversion; JSON-serializable values."""
        return {}
