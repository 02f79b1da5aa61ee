"""Base class of data sources: frozen dataclasses of plain settings that open packed stores."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from typing import ClassVar, NamedTuple

from taskscape.data.store import Store
from taskscape.modalities import Modality
from taskscape.progress import ProgressCallback
from taskscape.serialization.ranges import RangedSettings


class Preview(NamedTuple):
    """Description of a source's data, available before they are made."""

    where: str
    """Name of the data in error messages."""
    fields: Mapping[str, Modality]
    """The labels."""
    counts: Mapping[str, int]
    """Number of samples per split."""


class DataSource(RangedSettings, ABC):
    """Source of images and labels: a frozen dataclass of plain values."""

    name: ClassVar[str]
    """Name on the command line and in saved experiments."""

    @abstractmethod
    def open(self, report: ProgressCallback | None = None) -> dict[str, Store]:
        """Return the stores by split (``train``, ``val`` and any others); make them first if necessary.

        Raises ``ValueError``, ``FileNotFoundError`` or ``OSError`` that name the path and the remedy.
        """

    def few(self, count: int) -> "DataSource":
        """Return a source with at least ``count`` training images that opens quickly, for trials."""
        return self

    def only(self, splits: Collection[str]) -> "DataSource":
        """Return a source with at least these splits, without others that ``open`` would first have to make."""
        return self

    def preview(self) -> Preview | None:
        """Return what ``open`` will provide, so that settings can be checked before data are made; None if unknown.

        Raises the errors of ``open``.
        """
        return None
