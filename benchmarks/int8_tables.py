"""The tables of docs/guide/export.md, from the results of int8.py."""

from collections.abc import Mapping
from typing import Any

from table import load, table

_WORDS = {
    "semseg/miou": ("mIoU %", "{:.2f}"),
    "depth/abs_rel": ("relative error of depth", "{:.4f}"),
    "depth/abs_err": ("error of depth, m", "{:.3f}"),
    "normals/mean": ("mean angle °", "{:.2f}"),
}
MIOU, RELATIVE = 0.5, 2.0
"""Maximum acceptable cost of int8: points of mIoU, and percent of other metrics."""
FASTER = 2.0
"""Required speedup of int8."""


def costs(rows: Mapping[str, Any]) -> str:
    """Return a row for each network, data set and metric: before, after, and whether the goal is reached."""
    table_rows = []
    for name, row in rows.items():
        for data_name, metrics in row["metrics"].items():
            for key, before in metrics["float32"].items():
                title, form = _WORDS.get(key, (key, "{:.3f}"))
                after = metrics["int8"][key]
                lost = before - after if key == "semseg/miou" else 100 * (after / before - 1)
                holds = lost <= (MIOU if key == "semseg/miou" else RELATIVE)
                unit = " points" if key == "semseg/miou" else " %"
                nncf = form.format(metrics["nncf"][key]) if "nncf" in metrics else "–"
                cells = [form.format(before), form.format(after), f"{lost:+.2f}{unit}", "yes" if holds else "**no**"]
                table_rows.append([name, f"`{data_name}`", title, *cells, nncf])
    return table(["", "images", "metric", "float32", "int8", "lost", "within the goal", "NNCF"], table_rows, texts=3)


def speeds(rows: Mapping[str, Any]) -> str:
    """Return a row for each network and runtime: times, sizes, and layers in float32."""
    table_rows = []
    for name, row in rows.items():
        for runtime, times in row["milliseconds"].items():
            faster = times["float32"] / times["int8"]
            float32_blocks = row["blocks in float32"]
            table_rows.append(
                [
                    name,
                    runtime,
                    "{}x{}".format(*row["size"]),
                    f"{times['float32']:.1f}",
                    f"{times['int8']:.1f}",
                    f"{faster:.2f}" if faster >= FASTER else f"**{faster:.2f}**",
                    f"{row['megabytes']['float32']:.1f}",
                    f"{row['megabytes']['int8']:.1f}",
                    f"{row['of'] - row['layers']} of {row['of']}"
                    + (f": {', '.join(float32_blocks)}" if float32_blocks else ""),
                ]
            )
    head = ["", "runtime", "image", "float32, ms", "int8, ms", "times as fast", "MB", "MB", "layers in float32"]
    return table(head, table_rows, texts=2)


PARTS = {
    "int8": lambda: costs(load("int8")["rows"]),
    "int8-speeds": lambda: speeds(load("int8")["rows"]),
}
