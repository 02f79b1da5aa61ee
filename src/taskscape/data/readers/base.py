"""Base class of raw data sets: frozen dataclasses of settings that find samples in a folder and read them."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from taskscape.batch import Sample
from taskscape.modalities import Modality


@dataclass(frozen=True)
class RawSample:
    """One image and its labels, as files."""

    name: str
    files: Mapping[str, Path] = field(default_factory=dict)
    """Files by kind of content."""


@dataclass(frozen=True)
class RawIndex:
    """Contents of a raw folder, and the function that reads its samples."""

    size: tuple[int, int]
    """(H, W) to which every image is resized."""
    splits: Mapping[str, Sequence[RawSample]]
    fields: Mapping[str, Modality]
    """The labels by name; a sample need not have all of them."""
    source: dict[str, Any]
    """Units, conversions and all other decisions, for the manifest; JSON-serializable values."""
    read: Callable[[RawSample], Sample]
    """Reads one sample. Worker processes call it too, so it must be a module-level function or a ``partial`` of one."""
    archives: tuple[Path, ...] = ()
    """Files that hold many samples."""


class RawData(ABC):
    """A raw data set as published: a frozen dataclass of plain settings.

    ``taskscape prepare`` offers those of the package by ``name``, and those in your own files as ``my.py:MyData``.
    Fields become flags, and their docstrings the help texts.
    """

    name: ClassVar[str]
    """Name on the command line."""

    @abstractmethod
    def contents(self, raw: Path) -> RawIndex:
        """List the contents of the raw folder, without reading images.

        Raises ``FileNotFoundError`` or ``ValueError`` that name what is missing, what exists and the remedy.
        """
