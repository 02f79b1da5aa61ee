"""Load results, and format Markdown tables."""

import functools
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"


@functools.cache
def load(name: str) -> Any:
    """Return the content of a result file, which is read once."""
    return json.loads((RESULTS / f"{name}.json").read_text("utf-8"))


def table(head: Sequence[str], rows: Sequence[Sequence[str]], texts: int = 1) -> str:
    """Return a Markdown table; all columns except the first ``texts`` are aligned right."""
    marks = ["---"] * texts + ["---:"] * (len(head) - texts)
    return "\n".join("| " + " | ".join(row) + " |" for row in (head, marks, *rows))
