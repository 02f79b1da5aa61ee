"""Writes the tables and figures of README and docs/ that have a result in benchmarks/results.

python benchmarks/tables.py

replaces what stands between ``<!-- result: NAME -->`` and ``<!-- end -->``. ``tests/test_tables.py`` fails where a
document and its results differ. Benchmarks print their tables with the functions here.
"""

import json
import re
import statistics
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from taskscape.commands.recipes import by_group

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
    found = [load(name)["weightings"] for name in ("faults", "faults-more", "faults-again")]
    each: dict[str, int] = {}
    for of in found:
        for name, counted in of.items():
            each[name] = each.get(name, 0) + counted["kills"]
    odd = sum(bool(counted["differences"]) for of in found for counted in of.values())
    return (
        f"all {len(each)} weightings were killed {min(each.values())} times or more, {sum(each.values())} kills in "
        f"all, and {odd or 'none'} ended differently"
    )


def fuzzing() -> str:
    """How many files were damaged, by which driver."""
    found = load("fuzz")
    faults = sum(len(target["findings"]) for target in found["targets"].values())
    each = sorted(target["inputs"] for target in found["targets"].values() if "inputs" in target)
    return (
        f"{len(found['targets'])} targets were given {found['inputs']:,} files by {found['driver']}, {each[0]:,} to "
        f"{each[-1]:,} each, and {faults or 'none'} failed in another way than by a refusal"
    )


def networks() -> str:
    found = load("networks")
    return learning([*found["baselines"], *found["rows"]])


def weightings() -> str:
    found = load("balancing")
    return learning(found["rows"], _marked([row["name"] for row in found["rows"]]))


# -- experiments.py ----------------------------------------------------------------------------------------------------


class Claim(NamedTuple):
    """That one recipe is better than another."""

    text: str
    better: str
    worse: tuple[str, ...]
    """One recipe, or several whose values are added."""
    metric: str
    published: str

    @property
    def sign(self) -> int:
        """1 where a higher value is better."""
        return 1 if self.metric.startswith(("semseg", "grader")) else -1


SI, MIOU = "depth/si_log_rmse", "semseg/miou"
_RUNGS = (
    ("weights of ImageNet help", 43.542, 47.455),
    ("dilation helps", 47.455, 58.319),
    ("ASPP and a decoder with a skip help", 58.319, 65.527),
    ("an ASPP and a decoder per task help", 65.527, 67.524),
    ("task distillation helps", 67.524, 69.592),
    ("log depth helps", 69.592, 70.504),
    ("up-projections help", 70.504, 71.265),
    ("a second skip helps", 71.265, 71.871),
    ("attention over both tasks helps", 71.871, 72.215),
    ("half the learning rate and 24 epochs help", 72.215, 74.378),
)
_WITHOUT_ATTENTION = ("split", "split_wide", "split_deep", "dense", "cross_stitch")
CLAIMS = (
    *(
        Claim(text, f"ladder/rung{rung}", (f"ladder/rung{rung - 1}",), "grader", f"{worse} → {better}")
        for rung, (text, worse, better) in enumerate(_RUNGS, 1)
    ),
    Claim("depth in log metres is better", "ladder/rung6", ("ladder/rung5",), SI, "16.654 → 15.614"),
    *(
        Claim(
            f"MTAN is better than {name.replace('_', ' ')}",
            "mtan/cityscapes_7",
            (f"mtan/{name}_cityscapes_7",),
            MIOU,
            "-",
        )
        for name in _WITHOUT_ATTENTION
    ),
    *(
        Claim(
            f"one network for both tasks {does} faster than two",
            "mtan/cityscapes_7",
            ("mtan/single_semseg_cityscapes_7", "mtan/single_depth_cityscapes"),
            metric,
            "said, not measured",
        )
        for does, metric in (("trains", "seconds"), ("predicts", "seconds_per_image"))
    ),
    Claim("SILog is better than L1", "adaptive/silog_joint", ("adaptive/l1_joint",), SI, "without figures"),
    Claim("adaptive bins help", "adaptive/adaptive_depth", ("adaptive/depth_without_bins",), SI, "without figures"),
    Claim("attention over skips helps", "adaptive/skip_fusion", ("adaptive/branched",), SI, "19.88 → 18.33"),
    Claim(
        "the mean over three sizes helps", "adaptive/three_scales", ("adaptive/one_epoch",), "grader", "23.85 → 24.15"
    ),
    Claim("an ASPP and a decoder per task help", "attention/branched", ("attention/joint",), SI, "as a curve"),
    *(
        Claim(
            f"cross-task consistency helps, against {text}",
            "consistency/cityscapes_7",
            (f"consistency/{name}_cityscapes_7",),
            "semseg/miou_per_image",
            "-",
        )
        for name, text in (("none", "none"), ("xtc", "transferred ground truth"))
    ),
)
"""What the papers claim, as comparisons of recipes."""


def experiments() -> dict[str, dict[str, Any]]:
    """What experiments.py found, by recipe and seed."""
    return load("experiments") if (RESULTS / "experiments.json").exists() else {}


def _values(of: Mapping[str, Any], metric: str) -> dict[str, float]:
    found = {seed: run.get(metric, run["metrics"].get(metric)) for seed, run in of.items()}
    return {seed: value for seed, value in found.items() if value is not None}


def _mean(values: Sequence[float]) -> str:
    """Mean, and standard deviation where there are several."""
    spread = f" ± {statistics.stdev(values):.2f}" if len(values) > 1 else ""
    return f"{statistics.fmean(values):.2f}{spread}"


def verdict(claim: Claim) -> tuple[str, str]:
    """What was found, and whether the claim holds: in every one of three seeds or more."""
    found = experiments()
    better = _values(found.get(claim.better, {}), claim.metric)
    worse = [_values(found.get(name, {}), claim.metric) for name in claim.worse]
    seeds = [seed for seed in better if all(seed in values for values in worse)]
    if not seeds:
        return "not run here", ""
    before = [sum(values[seed] for values in worse) for seed in seeds]
    after = [better[seed] for seed in seeds]
    shown = f"{_mean(before)} → {_mean(after)}"
    right = sum(claim.sign * (new - old) > 0 for old, new in zip(before, after, strict=True))
    if len(seeds) < 3:
        return shown, f"open: {len(seeds)} of 3 seeds"
    return shown, "yes" if right == len(seeds) else "no" if not right else f"in {right} of {len(seeds)} seeds"


def claims() -> str:
    """A row per claim."""
    rows = [
        [
            one.text,
            f"`{one.better}` against {' and '.join(f'`{name}`' for name in one.worse)}",
            f"`{one.metric}`",
            one.published,
            *verdict(one),
        ]
        for one in CLAIMS
    ]
    return table(["claim", "recipes", "metric", "published", "here, small", "holds"], rows, texts=6)


_SHOWN = {"semseg/miou": "mIoU", "depth/si_log_rmse": "SI", "depth/inverse_abs_rel": "rel", "grader": "Grader"}


def group_of_experiments(group: str) -> str:
    """A row per recipe of a group."""
    found, rows = experiments(), []
    for name, listed in by_group()[group].items():
        of = found.get(name, {})
        here = ", ".join(
            f"{word} {_mean(list(values.values()))}"
            for metric, word in _SHOWN.items()
            if (values := _values(of, metric))
        )
        seeds = f" ({len(of)} seed{'s' * (len(of) > 1)})" if here else ""
        rows.append(
            [f"`taskscape train {name}`", "`… --scale small`", listed.published, here + seeds or "not run here"]
        )
    return table(["full scale", "small scale", "published", "here, small"], rows, texts=4)


PARTS: dict[str, Callable[[], str]] = {
    "claims": claims,
    **{f"experiments-{group}": partial(group_of_experiments, group) for group in by_group() if group},
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
    "fuzzing": fuzzing,
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
