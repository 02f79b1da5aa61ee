"""Write the tables of reference/metrics.md from the specs of the metrics.

``python docs/generate_metrics.py`` replaces what stands between ``<!-- metrics: NAME -->`` and ``<!-- end -->``.
"""

import argparse
import re
from collections.abc import Mapping
from pathlib import Path

from taskscape.metrics import (
    JOINT,
    AlbedoMetrics,
    BoundaryMetrics,
    ConfidenceMetrics,
    DepthMetrics,
    MetricSpec,
    NormalsMetrics,
    SegmentationMetrics,
    TaskMetric,
)

PAGE = Path(__file__).parent / "reference" / "metrics.md"

TASKS: dict[str, TaskMetric] = {
    "semseg": SegmentationMetrics(("CLASS",)),
    "depth": DepthMetrics(per_batch=True),
    "normals": NormalsMetrics(per_batch=True),
    "boundaries": BoundaryMetrics(),
    "albedo": AlbedoMetrics(),
    "TASK": ConfidenceMetrics(),
}


def tables() -> dict[str, str]:
    """Return a Markdown table for each task, and one for the joint metrics."""
    of_tasks = {
        task: table({f"{task}/{name}": spec for name, spec in metric.specs.items()}) for task, metric in TASKS.items()
    }
    return {**of_tasks, "joint": table({metric.name: metric.spec for metric in JOINT})}


def table(specs: Mapping[str, MetricSpec]) -> str:
    """Return a Markdown table with a row per metric; the leading one is bold."""
    rows = ["| name | title | unit | better | in Δm | meaning |", "|---|---|---|---|---|---|"]
    for name, spec in specs.items():
        key = f"**`{name}`**" if spec.leads else f"`{name}`"
        direction = "higher" if spec.higher_is_better else "lower"
        cells = (key, spec.title, spec.unit, direction, "yes" if spec.in_delta_m else "", spec.text)
        rows.append("| " + " | ".join(cells) + " |")
    return "\n".join(rows)


def render(page: str) -> str:
    """Return the page with its tables made anew. Raises ``KeyError`` for a table that there is no task for."""
    made = tables()
    return re.sub(
        r"(<!-- metrics: (\w+) -->\n).*?(<!-- end -->)",
        lambda part: f"{part[1]}\n{made[part[2]]}\n\n{part[3]}",
        page,
        flags=re.DOTALL,
    )


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    PAGE.write_text(render(PAGE.read_text("utf-8")), "utf-8")
