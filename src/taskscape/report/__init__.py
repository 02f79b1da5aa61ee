"""What a run or several of them have found, for people: pictures, tables, and pages that open without a network."""

from taskscape.report.compare import write_comparison
from taskscape.report.page import write_report
from taskscape.report.tables import print_metrics

__all__ = ["print_metrics", "write_comparison", "write_report"]
