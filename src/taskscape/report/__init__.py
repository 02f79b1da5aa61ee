"""Reports about one or several runs: tables for the terminal, and self-contained HTML files.

Names are imported on first use, so parts of this package work without matplotlib.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from taskscape.report.compare import write_comparison
    from taskscape.report.page import write_report
    from taskscape.report.tables import print_metrics
    from taskscape.report.yardsticks import without_tta

_MODULES = {
    "print_metrics": "tables",
    "without_tta": "yardsticks",
    "write_comparison": "compare",
    "write_report": "page",
}

__all__ = ["print_metrics", "without_tta", "write_comparison", "write_report"]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
