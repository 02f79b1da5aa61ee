"""The table of ``exports.py``."""

from collections.abc import Mapping
from typing import Any

from table import load, table

FORMATS = ("onnx", "openvino", "torch")


def exports() -> str:
    """Return a row per network and number of tasks: the largest difference of each format, sizes and speeds."""
    rows = []
    for name, of in load("exports")["rows"].items():
        for count, found in of["tasks"].items():
            if "refused" in found:
                rows.append([f"`{name}`", count, *["refused"] * len(FORMATS), "–", "–", "–"])
                continue
            formats = found["formats"]
            done = [formats[form] for form in FORMATS if "refused" not in formats.get(form, {"refused": ""})]
            compared = min((one["compared"] for one in done), default=0.0)
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
    found = load("exports")
    outcomes = [
        one
        for of in found["rows"].values()
        for tasks in of["tasks"].values()
        for one in (tasks.get("formats") or {"": tasks}).values()
    ]
    held = sum(one.get("holds", False) for one in outcomes)
    about = found["about"]
    sizes = ", ".join(f"{height}x{width}" for height, width in about["sizes"])
    return (
        f"{len(found['rows'])} networks, images of {sizes}, torch {about['torch'].partition('+')[0]}, "
        f"{about['threads']} thread, {about['note'] or 'no other work noted'}: {held} of {len(outcomes)} files hold"
    )


def _difference(of: Mapping[str, Any]) -> str:
    if "refused" in of:
        return "refused"
    return f"{of['largest']:.0e}" + ("" if of["holds"] else " (refused)")


def _ratio(formats: Mapping[str, Any], form: str) -> str:
    of = formats.get(form, {"refused": ""})
    return "–" if "refused" in of else f"{of['seconds'] / of['network_seconds']:.2f}"


PARTS = {"exports": exports, "exports-about": exports_about}
