"""The log of a training: its table, TensorBoard events and trackers."""

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from taskscape.run_folder import RunFolder, RunLogger
from taskscape.trackers import Tracking

if TYPE_CHECKING:
    from taskscape.distributed import Processes

_LOGGER = logging.getLogger(__name__)


class Log:
    """Writes values to the folder of a run and to its trackers, in the first process; others write nothing."""

    def __init__(self, folder: RunFolder, fabric: "Processes", track: Callable[[], Tracking] | None = None) -> None:
        """Write nothing yet; ``track`` opens the trackers."""
        self._folder, self._fabric, self._track = folder, fabric, track
        self._logger: RunLogger | None = None
        self._tracking: Tracking | None = None

    @contextmanager
    def opened(self, step: int) -> Iterator[None]:
        """Open the log at ``step``, and say if it had to be mended."""
        if not self._fabric.is_global_zero:
            yield
            return
        self._logger = RunLogger(self._folder, step)
        if self._logger.rebuilt:
            what = "%s was made anew from the TensorBoard events: %s"
            _LOGGER.warning(what, self._folder.metrics, self._logger.rebuilt)
        self._tracking = None if self._track is None else self._track()
        finished = False
        try:
            yield
            finished = True
        except BaseException:
            with suppress(OSError):  # what ended the run is the error to report
                self._logger.close()
            raise
        finally:
            if self._tracking is not None:
                self._tracking.close(finished)
        self._logger.close()

    def write_step(self, step: int, values: Mapping[str, float]) -> None:
        """Write values within an epoch."""
        if self._logger is not None:
            self._logger.log_step(step, values)
        if self._tracking is not None:
            self._tracking.write(step, values)

    def write_epoch(self, epoch: int, step: int, values: Mapping[str, float]) -> None:
        """Write the row of an epoch, which ended with ``step``; epochs count from 1."""
        if self._logger is not None:
            self._logger.log_epoch(epoch, step, values)
        if self._tracking is not None:
            self._tracking.write(step, {"epoch": epoch, **values})

    def flush(self) -> None:
        """Hand everything to the operating system and to the trackers."""
        if self._logger is not None:
            self._logger.flush()
        if self._tracking is not None:
            self._tracking.flush()


def prefixed(prefix: str, values: Mapping[str, float]) -> dict[str, float]:
    """Return values under names such as ``train/loss/depth``."""
    return {f"{prefix}/{name}": value for name, value in values.items()}
