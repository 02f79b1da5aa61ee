"""The log of a training run: its table, TensorBoard events and trackers."""

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
    """Writes values to the run folder and to trackers, from the first process only."""

    def __init__(self, folder: RunFolder, fabric: "Processes", track: Callable[[], Tracking] | None) -> None:
        """Write nothing yet; ``track`` opens the trackers."""
        self._folder, self._fabric, self._track = folder, fabric, track
        self._logger: RunLogger | None = None
        self._tracking: Tracking | None = None

    @contextmanager
    def opened(self, step: int) -> Iterator[None]:
        """Open the log at ``step``, and warn if its table had to be rebuilt."""
        if not self._fabric.is_global_zero:
            yield
            return
        self._logger = RunLogger(self._folder, step)
        if self._logger.rebuilt:
            message = "%s was rebuilt from the TensorBoard events: %s"
            _LOGGER.warning(message, self._folder.metrics, self._logger.rebuilt)
        is_finished = False
        try:
            self._tracking = None if self._track is None else self._track()
            yield
            is_finished = True
        except BaseException:
            with suppress(OSError):  # report the error that ended the run instead
                self._logger.close()
            raise
        finally:
            if self._tracking is not None:
                self._tracking.close(is_finished)
        self._logger.close()

    def write_step(self, step: int, values: Mapping[str, float]) -> None:
        """Log values of a step within an epoch."""
        if self._logger is not None:
            self._logger.log_step(step, values)
        if self._tracking is not None:
            self._tracking.write(step, values)

    def write_epoch(self, epoch: int, step: int, values: Mapping[str, float]) -> None:
        """Log the row of an epoch that ended with ``step``; epochs count from 1."""
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
    """Return the values with the prefix in their names, such as ``train/loss/depth``."""
    return {f"{prefix}/{name}": value for name, value in values.items()}
