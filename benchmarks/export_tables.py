"""The table of ``exports.py``."""

from collections.abc import Mapping
from typing import Any

from table import load, table

FORMATS = ("onnx", "openvino", "torch")


def exports() -> str:
    """Return a row per network and number of tasks: the largest difference of each format, sizes and speeds."""
    rows = []
    for name, network_row in load("exports")["rows"].items():
        for count, outcome in network_row["tasks"].items():
            if "refused" in outcome:
                rows.append([f"`{name}`", count, *["refused"] * len(FORMATS), "–", "–", "–"])
                continue
            formats = outcome["formats"]
            exported = [formats[form] for form in FORMATS if "refused" not in formats.get(form, {"refused": ""})]
            compared = min((export["compared"] for export in exported), default=0.0)
            rows.append(
                [
                    f"`{name}`",
                    count,
                    *(_difference(formats.get(form, {"refused": ""})) for form in FORMATS),
                    f"{100 * compared:.1f}",
                    _ratio(formats, "onnx"),
                    _ratio(formats, "openvino"),
                ]
            )
    head = ["network", "tasks", *FORMATS, "pixels compared, %", "time with onnx", "time with openvino"]
    return table(head, rows)


def exports_about() -> str:
    """Return a sentence on the number of networks in the table, and on the machine."""
    results = load("exports")
    outcomes = [
        outcome
        for network_row in results["rows"].values()
        for tasks in network_row["tasks"].values()
        for outcome in (tasks.get("formats") or {"": tasks}).values()
    ]
    num_held = sum(outcome.get("holds", False) for outcome in outcomes)
    conditions = results["about"]
    sizes = ", ".join(f"{height}x{width}" for height, width in conditions["sizes"])
    return (
        f"{len(results['rows'])} networks, images of {sizes}, torch {conditions['torch'].partition('+')[0]}, "
        f"{conditions['threads']} thread, {conditions['note'] or 'no other work noted'}: {num_held} of "
        f"{len(outcomes)} files hold"
    )


def _difference(outcome: Mapping[str, Any]) -> str:
    if "refused" in outcome:
        return "refused"
    return f"{outcome['largest']:.0e}" + ("" if outcome["holds"] else " (refused)")


def _ratio(formats: Mapping[str, Any], form: str) -> str:
    outcome = formats.get(form, {"refused": ""})
    return "–" if "refused" in outcome else f"{outcome['seconds'] / outcome['network_seconds']:.2f}"


PARTS = {"exports": exports, "exports-about": exports_about}
