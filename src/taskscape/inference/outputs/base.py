"""Base classes of output formats."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

from taskscape.inference.prediction import Prediction
from taskscape.inference.predictor import Predictor
from taskscape.serialization.ranges import RangedSettings


class Writer(ABC):
    """Writes files for predictions. Several threads may call ``write`` at the same time."""

    @abstractmethod
    def write(self, prediction: Prediction) -> list[Path]:
        """Write the files of an image and return their paths. Raises ``OSError`` naming the file."""

    def finish(self) -> list[Path]:
        """Write the files that all images share, after the last image, and return their paths.

        Without any image, earlier files stay as they are.
        """
        return []

    def discard(self) -> None:  # noqa: B027
        """Remove incomplete files after a failure; does nothing by default."""

    def notes(self) -> list[str]:
        """Return sentences for the user about assumptions that were made."""
        return []


class Output(RangedSettings, ABC):
    """An output format. Subclasses are frozen dataclasses of plain values."""

    shared_file: ClassVar[str] = ""
    """Name of the file about all images of a call, which replaces that of an earlier call; empty if there is none."""
    folder: ClassVar[str] = ""
    """Name of the folder for files that are named as the images; empty if there is none."""

    @abstractmethod
    def writer(self, predictor: Predictor, folder: Path, files: Sequence[Path] = ()) -> Writer:
        """Return a writer to a folder; ``files`` are the files of the images, if they have any.

        Raises ``ValueError`` before the first image if the network does not predict what the format needs.
        """


@contextmanager
def opened(
    outputs: Sequence[Output], predictor: Predictor, folder: Path, files: Sequence[Path] = ()
) -> Iterator[list[Writer]]:
    """Yield a writer for each output, and discard their incomplete files after an error or Ctrl-C.

    Arguments and errors are those of ``Output.writer``.
    """
    writers: list[Writer] = []
    try:
        writers.extend(output.writer(predictor, folder, files) for output in outputs)
        yield writers
    except BaseException:  # including Ctrl-C
        for writer in writers:
            writer.discard()
        raise
