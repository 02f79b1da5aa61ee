"""What may be written for predictions."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path

from taskscape.inference.prediction import Prediction
from taskscape.inference.predictor import Predictor
from taskscape.serialization.ranges import RangedSettings


class Writer(ABC):
    """Writes files for predictions. Several threads may call ``write`` at a time."""

    @abstractmethod
    def write(self, prediction: Prediction) -> list[Path]:
        """Write the files of an image, and return them. Raises ``OSError`` that names the file."""

    def finish(self) -> list[Path]:
        """Write, after the last image, the files that all images have in common, and return them."""
        return []

    def discard(self) -> None:  # noqa: B027
        """Remove what is not complete, after a failure; nothing unless overridden."""

    def notes(self) -> list[str]:
        """Return what the user should know of what was assumed, in sentences."""
        return []


class Output(RangedSettings, ABC):
    """One kind of files. A frozen dataclass of plain values."""

    @abstractmethod
    def writer(self, predictor: Predictor, folder: Path, files: Sequence[Path] = ()) -> Writer:
        """Return what writes them to a folder; ``files`` are those of the images, where images have files.

        Raises ``ValueError`` with the remedy where the network does not predict what they need: before any image.
        """
