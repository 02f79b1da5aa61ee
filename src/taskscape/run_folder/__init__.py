"""The folder of a run: names of its files, its result, and its log.

Names are imported on first use, so that a command can look for a run without importing numpy.
"""

from typing import TYPE_CHECKING

from taskscape.lazy import imported_on_first_use

if TYPE_CHECKING:
    from taskscape.run_folder.calibration import Calibration
    from taskscape.run_folder.lock import locked
    from taskscape.run_folder.names import RunFolder
    from taskscape.run_folder.result import EpochMean, Progress, Result
    from taskscape.run_folder.run_log import RunLogger

_MODULES = {
    "Calibration": "calibration",
    "EpochMean": "result",
    "Progress": "result",
    "Result": "result",
    "RunFolder": "names",
    "RunLogger": "run_log",
    "locked": "lock",
}

__all__ = ["Calibration", "EpochMean", "Progress", "Result", "RunFolder", "RunLogger", "locked"]

__getattr__, __dir__ = imported_on_first_use(__name__, __all__, _MODULES)
