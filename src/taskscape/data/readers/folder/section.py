"""What one section of a ``taskscape.yaml`` is: a kind of label, and how its files are to be read."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

from taskscape.modalities import Modality
from taskscape.modalities.base import Array, Mask


@dataclass(frozen=True)
class Section(ABC):
    """How the files of one field are to be read. A frozen dataclass: its fields are the keys of the section."""

    name: ClassVar[str]
    """The word for it under the key ``type``; a section of this name needs no type."""

    folder: str | None = None
    """Where the files lie; by default in a folder named as the section."""

    @abstractmethod
    def modality(self) -> Modality:
        """Return what the labels mean."""

    @abstractmethod
    def read(self, stored: Array, exact: bool) -> tuple[Array, Mask]:
        """Return the values, in the form of ``Sample``, and their mask, from a file's (H, W) or (H, W, C).

        ``exact`` says that the file is an array with the very values, and no image. Raises ``ValueError`` that ends a
        sentence beginning with the file's path.
        """

    def about(self) -> dict[str, Any]:
        """Return what the manifest says of the conversion: values that JSON can hold."""
        return {}
