"""Files that summarize a sweep: ``index.html``, ``results.csv`` and ``results.json``."""

from taskscape.report.sweep.files import write_sweep
from taskscape.report.sweep.table import SweepTable, SweptRun

__all__ = ["SweepTable", "SweptRun", "write_sweep"]
