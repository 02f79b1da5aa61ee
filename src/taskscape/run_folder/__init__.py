"""The folder of a run: names of its files, its result, and its log."""

from taskscape.run_folder.lock import locked
from taskscape.run_folder.names import RunFolder
from taskscape.run_folder.result import Progress, Result
from taskscape.run_folder.run_log import RunLogger

__all__ = ["Progress", "Result", "RunFolder", "RunLogger", "locked"]
