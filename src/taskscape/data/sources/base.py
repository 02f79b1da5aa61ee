"""What every source of data is: a frozen dataclass of plain settings that opens packed stores."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar, NamedTuple

from taskscape.data.store import Store
from taskscape.modalities import Modality
from taskscape.progress import ProgressCallback
from taskscape.serialization.ranges import RangedSettings


class Preview(NamedTuple):
    """What data will be, known before they are made."""

    where: str
    """What to call them in errors."""
    fields: Mapping[str, Modality]
    """The labels."""
    counts: Mapping[str, int]
    """Samples per split."""


class DataSource(RangedSettings, ABC):
    """Where images and labels come from. A frozen dataclass of plain values."""

    name: ClassVar[str]
    """The name on the command line and in saved experiments."""

    @abstractmethod
    def open(self, report: ProgressCallback | None = None) -> dict[str, Store]:
        """Return the stores by split: ``train``, ``val`` and what else there is; make them first where need be.

        Raises ``ValueError``, ``FileNotFoundError`` or ``OSError`` that name the path and the remedy.
        """

    def few(self, count: int) -> "DataSource":
        """Return a source of ``count`` training images or more that opens at once: for trials."""
        return self

    def preview(self) -> Preview | None:
        """Return what ``open`` will give, so that settings are checked before data are made; None where unknown.

        Raises as ``open``.
        """
        return None
