"""Reports about one or several runs: tables for the terminal, and self-contained HTML files.

``run.Run`` reads the folder of a run: its ``Result``, its settings, and the curves that it logged (``logged``). From
it, ``page`` writes the report of one run, with a module per section in ``sections``. ``compare`` groups runs that
differ only in their seed (``groups``) and writes their comparison, with a module per section in ``comparison``.
``sweep`` writes the page of a sweep. All of them use the elements of ``html``, the drawings of ``charts``, and the
texts of ``glossary`` and ``words``.

Names are imported on first use, so parts of this package work without matplotlib.
"""

from typing import TYPE_CHECKING

from taskscape.lazy import imported_on_first_use

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

__getattr__, __dir__ = imported_on_first_use(__name__, __all__, _MODULES)
