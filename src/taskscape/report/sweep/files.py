"""Writes the page of a sweep, and its table as CSV and JSON."""

import csv
import io
import json
from pathlib import Path

from taskscape.files import atomic_write
from taskscape.report.html import write
from taskscape.report.sweep.page import sweep_page
from taskscape.report.sweep.table import SweepTable


def write_sweep(table: SweepTable, folder: Path) -> Path:
    """Write ``index.html``, ``results.csv`` and ``results.json`` to a sweep's folder; return the path of the page."""
    rows = table.rows()
    best = table.best()
    content = {
        "monitor": table.monitor,
        "higher_is_better": table.spec.higher_is_better,
        "axes": list(table.axes),
        "best": None if best is None else {"run": best.path.name, "command": best.command},
        "runs": rows,
    }
    atomic_write(folder / "results.json", json.dumps(content, indent=1, ensure_ascii=False) + "\n")
    columns = list(dict.fromkeys(column for row in rows for column in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    atomic_write(folder / "results.csv", text.getvalue())
    return write(folder / "index.html", sweep_page(table, folder))
