"""What every raw data set is: a frozen dataclass of settings that finds samples in a folder and reads them."""

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
    """By what they hold."""


@dataclass(frozen=True)
class RawIndex:
    """What a raw folder holds, and how to read it."""

    size: tuple[int, int]
    """(H, W) that every image is brought to."""
    splits: Mapping[str, Sequence[RawSample]]
    fields: Mapping[str, Modality]
    """The labels by name; a sample need not have them all."""
    source: dict[str, Any]
    """Units, conversions and every decision, for the manifest: values that JSON can hold."""
    read: Callable[[RawSample], Sample]
    """Reads one sample; other processes call it too, so it is a function of a module or a ``partial`` of one."""
    archives: tuple[Path, ...] = ()
    """Files that hold many samples."""


class RawData(ABC):
    """A raw data set, as it is published. A frozen dataclass of plain settings.

    ``taskscape prepare`` offers those of the package by ``name``, and one from a file of yours as ``my.py:MyData``; the
    fields become flags, their docstrings the help.
    """

    name: ClassVar[str]
    """The name on the command line."""

    @abstractmethod
    def contents(self, raw: Path) -> RawIndex:
        """List what the raw folder holds, without reading images.

        Raises ``FileNotFoundError`` or ``ValueError`` that name what is missing, what is there and the remedy.
        """
