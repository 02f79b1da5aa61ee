"""The folder of a run: names of its files, its result, and its log.

Names are imported on first use, so that a command can look for a run without importing numpy.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

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


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
