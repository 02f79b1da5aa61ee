"""What one section of a ``taskscape.yaml`` is: a kind of label, and how its files are to be read."""

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
    """How the files of one field are to be read. A frozen dataclass: its fields are the keys of the section."""

    name: ClassVar[str]
    """The word for it under the key ``type``; a section of this name needs no type."""
    channels: ClassVar[int | None] = None
    """1 or 3, to which the colors of a palette image are brought; None to get its indices."""

    can_vanish: ClassVar[bool] = False
    """Whether a smaller label may lose things that the files have, so that the whole one is compared with it."""

    folder: str | None = None
    """Where the files lie, also outside the raw folder; by default in a folder named as the section."""
    suffix: str = ""
    """What the names of the files have behind those of their images: ``_mask`` for ``a_mask.png`` of ``a.jpg``."""

    @classmethod
    def plain(cls, keys: dict[str, Any]) -> dict[str, Any]:
        """Return the section as it stands in the file in the form of the fields, where it may have another.

        Raises ``ValueError`` for forms that would be misunderstood.
        """
        return keys

    @abstractmethod
    def modality(self) -> Modality:
        """Return what the labels mean."""

    def modality_of(self, labels: Sequence[Samples]) -> Modality:
        """Return what the labels mean, with what some first ones say of it beside the section: nothing by default."""
        return self.modality()

    @abstractmethod
    def read(self, stored: Array, exact: bool) -> tuple[Array, Mask]:
        """Return the values, in the form of ``Sample``, and their mask, from a file's (H, W) or (H, W, C).

        ``exact`` says that the file is an array with the very values, and no image. Raises ``ValueError`` that ends a
        sentence beginning with the file's path.
        """

    def decode(self, label: Samples) -> tuple[Array, Mask]:
        """Return what ``read`` does, from all that a file says of its numbers; transparent pixels have no label.

        Raises ``ValueError`` as ``read``.
        """
        if label.lossy:
            raise ValueError("is in a lossy format, which changes labels: export it again as PNG, or as lossless WebP")
        read: Any = self.read(self._plain(label), label.exact)
        if not (isinstance(read, tuple) and len(read) == 2):
            raise ValueError(
                f"is given to {named(type(self).read)}, which gives a {type(read).__name__}: return the values and "
                "their mask"
            )
        values, valid = read
        return values, valid if label.opaque is None else valid & label.opaque

    def doubts(self, labels: Sequence[Samples]) -> str:
        """Return what is doubtful about some first labels together, to follow the name of their folder, or nothing."""
        return ""

    def _plain(self, label: Samples) -> Array:
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
        """Return what the manifest says of the conversion: values that JSON can hold."""
        return {}
