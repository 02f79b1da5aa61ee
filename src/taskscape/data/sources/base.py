"""What every source of data is: a frozen dataclass of plain settings that opens packed stores."""

from abc import ABC, abstractmethod
from typing import ClassVar

from taskscape.data.store import Store
from taskscape.progress import ProgressCallback
from taskscape.serialization.ranges import RangedSettings


class DataSource(RangedSettings, ABC):
    """Where images and labels come from. A frozen dataclass of plain values."""

    name: ClassVar[str]
    """The name on the command line and in saved experiments."""

    @abstractmethod
    def open(self, report: ProgressCallback | None = None) -> dict[str, Store]:
        """Return the stores by split: ``train``, ``val`` and what else there is; make them first where need be.

        Raises ``ValueError``, ``FileNotFoundError`` or ``OSError`` that name the path and the remedy.
        """
