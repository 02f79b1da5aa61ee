"""The outcome of one run or several, for people: tables for the terminal, and self-contained HTML files."""

from taskscape.report.compare import write_comparison
from taskscape.report.page import write_report
from taskscape.report.tables import print_metrics

__all__ = ["print_metrics", "write_comparison", "write_report"]
