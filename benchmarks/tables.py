"""Writes the tables and figures of README and docs/ that have a result in benchmarks/results.

python benchmarks/tables.py

replaces what stands between ``<!-- result: NAME -->`` and ``<!-- end -->``. ``tests/test_tables.py`` fails where a
document and its results differ. Benchmarks print their tables with the functions here.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]

_PART = re.compile(r"(<!-- result: ([\w-]+) -->)(.*?)(<!-- end -->)", re.DOTALL)


def load(name: str) -> Any:
    return json.loads((RESULTS / f"{name}.json").read_text("utf-8"))


def table(head: Sequence[str], rows: Sequence[Sequence[str]], texts: int = 1) -> str:
    """A Markdown table; all but the first columns are aligned to the right."""
    marks = ["---"] * texts + ["---:"] * (len(head) - texts)
    return "\n".join("| " + " | ".join(row) + " |" for row in (head, marks, *rows))


# -- learning.py -------------------------------------------------------------------------------------------------------

_LEARNING = {
    "parameters": ("parameters", "{:,.0f}", 1),
    "flops": ("GFLOPs", "{:.2f}", 1e-9),
    "seconds_per_step": ("step, ms", "{:.0f}", 1000),
    "semseg/miou": ("mIoU % ↑", "{:.2f}", 1),
    "semseg/pixel_accuracy": ("accuracy % ↑", "{:.2f}", 1),
    "depth/abs_err": ("abs err m ↓", "{:.3f}", 1),
    "depth/abs_rel": ("abs rel ↓", "{:.4f}", 1),
    "depth/si_log_rmse": ("SI ↓", "{:.2f}", 1),
    "delta_m": ("Δm % ↓", "{:+.2f}", 1),
}
"""Title, format and factor of each figure."""


def learning(rows: Sequence[Mapping[str, Any]], notes: Mapping[str, str] | None = None) -> str:
    """A row per network or weighting, with a note behind some names; a figure that a row lacks is a dash."""
    used = {key: column for key, column in _LEARNING.items() if any(key in row for row in rows)}
    cells = [
        [
            f"{row['name']} {(notes or {}).get(row['name'], '')}".strip(),
            *(form.format(factor * row[key]) if key in row else "–" for key, (_, form, factor) in used.items()),
        ]
        for row in rows
    ]
    return table(["", *(title for title, _, _ in used.values())], cells)


# -- weighting.py ------------------------------------------------------------------------------------------------------

_COST = ["weighting", "ms per step", "relative time", "peak MiB", "relative memory"]


def costs(found: Mapping[str, Mapping[str, float]]) -> str:
    """A row per weighting, relative to the plain sum."""
    return table(_COST, [_cost(name, of, found["fixed"], "") for name, of in found.items()])


def _cost(name: str, of: Mapping[str, float], plain: Mapping[str, float], note: str) -> list[str]:
    return [
        f"{name} {note}".strip(),
        f"{1000 * of['seconds']:.1f}",
        f"{of['seconds'] / plain['seconds']:.2f}",
        f"{of['mebibytes']:.0f}",
        f"{of['mebibytes'] / plain['mebibytes']:.2f}",
    ]


_TORCHJD = ("mgda", "cagrad", "nash-mtl", "aligned-mtl", "imtl-g", "upgrad", "conflict-free")
"""Weightings that were measured with torchjd's solvers."""


def _marked(names: Sequence[str]) -> dict[str, str]:
    return {name: "†" for name in names if name.partition(",")[0] in _TORCHJD}


def balancing_costs(result: str) -> str:
    """Costs; those that were measured again, because the machine had other work the first time, have a star."""
    found = load(result)
    once, again = found["costs"], found.get("again", {})
    torchjd = _marked(list(once))
    rows = []
    for name, of in once.items():
        if name in again and name != "fixed":
            rows.append(_cost(name, again[name], again["fixed"], "*"))
        elif "seconds" in of:
            rows.append(_cost(name, of, once["fixed"], torchjd.get(name, "")))
    return table(_COST, rows)


# -- others ------------------------------------------------------------------------------------------------------------

_COMMANDS = {
    "prepare": "`taskscape prepare folder`",
    "prepare in shards of 1,000": "the same with `--shard 1000`",
    "check": "`taskscape data check`",
    "train": "`taskscape train`, batches of 32",
}


def large_set(found: Mapping[str, Any]) -> str:
    """Memory of each command by the number of images."""
    sizes = found["store MiB"]
    rows = [["the store", *(f"{size:.0f}" for size in sizes.values())]]
    for name, of in found["commands"].items():
        rows.append([_COMMANDS[name], *(f"{of[count]['mebibytes']:.0f}" for count in sizes)])
    return table(["MiB", *(f"{int(count):,} images" for count in sizes)], rows)


def streets(found: Mapping[str, Any]) -> str:
    """Time of a scene by its size."""
    rows = [
        [
            "{}×{}".format(*of["size"]),
            str(of["samples"]),
            *(str(of.get(key, "–")) for key in ("ms", "prototype_ms", "ratio")),
        ]
        for of in found["cases"]
    ]
    return table(["size", "samples", "ms", "prototype ms", "prototype / ours"], rows)


def kills() -> str:
    """How many processes were killed."""
    found = [load(name)["weightings"] for name in ("faults", "faults-more")]
    each: dict[str, int] = {}
    for of in found:
        for name, counted in of.items():
            each[name] = each.get(name, 0) + counted["kills"]
    odd = sum(bool(counted["differences"]) for of in found for counted in of.values())
    return (
        f"all {len(each)} weightings were killed {min(each.values())} times or more, {sum(each.values())} kills in "
        f"all, and {odd or 'none'} ended differently"
    )


def networks() -> str:
    found = load("networks")
    return learning([*found["baselines"], *found["rows"]])


def weightings() -> str:
    found = load("balancing")
    return learning(found["rows"], _marked([row["name"] for row in found["rows"]]))


PARTS: dict[str, Callable[[], str]] = {
    "networks": networks,
    "balancing": weightings,
    "weighting": partial(balancing_costs, "weighting"),
    "weighting-xtask": partial(balancing_costs, "weighting-xtask"),
    "weighting-distill": partial(balancing_costs, "weighting-distill"),
    "large-set": lambda: large_set(load("large_set")),
    "streets": lambda: streets(load("streets")),
    "scenes-with-one": lambda: f"{load('streets')['scenes_per_second']['1']}",
    "scenes-with-two": lambda: f"{load('streets')['scenes_per_second']['2']}",
    "kills": kills,
}
"""What is made of the results, by the name in documents."""


def render(text: str) -> str:
    """A document with its results made anew. Raises ``KeyError`` for a name that is not in ``PARTS``."""

    def part(found: re.Match[str]) -> str:
        made = PARTS[found[2]]()
        return f"{found[1]}\n\n{made}\n\n{found[4]}" if "\n" in made else f"{found[1]}{made}{found[4]}"

    return _PART.sub(part, text)


if __name__ == "__main__":
    for document in DOCUMENTS:
        before = document.read_text("utf-8")
        if (after := render(before)) != before:
            document.write_text(after, "utf-8")
            print(document.relative_to(ROOT))
