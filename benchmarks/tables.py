"""Write the tables and figures of README and docs/ that come from benchmarks/results.

python benchmarks/tables.py

replaces the text between ``<!-- result: NAME -->`` and ``<!-- end -->``. ``tests/test_tables.py`` fails if a document
differs from its results. Benchmarks print their tables with these functions.
"""

import argparse
import re
import statistics
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import confidence_tables
import export_tables
import frozen_tables
import int8_tables
import photograph_tables
import speed_tables
import street_tables
import video_tables
from table import ROOT, load, table
from taskscape.commands.published import published_sweeps
from taskscape.commands.recipes import by_group

DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]

_PART = re.compile(r"(<!-- result: ([\w-]+) -->)(.*?)(<!-- end -->)", re.DOTALL)


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


def learning(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return a row per network or weighting; missing figures are dashes."""
    used = {key: column for key, column in _LEARNING.items() if any(key in row for row in rows)}
    cells = [
        [
            row["name"],
            *(_figure(row[key], form, factor) if key in row else "–" for key, (_, form, factor) in used.items()),
        ]
        for row in rows
    ]
    return table(["", *(title for title, _, _ in used.values())], cells)


def _figure(value: float | Sequence[float], form: str, factor: float) -> str:
    """Format a number, or the mean of a number per seed with their standard deviation."""
    if isinstance(value, Sequence):
        spread = form.replace("+", "").format(factor * statistics.stdev(value))
        return f"{form.format(factor * statistics.mean(value))}\N{NO-BREAK SPACE}±\N{NO-BREAK SPACE}{spread}"
    return form.format(factor * value)


# -- weighting.py ------------------------------------------------------------------------------------------------------

_COST = ["weighting", "ms per step", "relative time", "peak MiB", "relative memory"]


def costs(costs_by_name: Mapping[str, Mapping[str, float]]) -> str:
    """Return a row per weighting, relative to the plain sum."""
    return table(_COST, [_cost(name, cost, costs_by_name["fixed"]) for name, cost in costs_by_name.items()])


def _cost(name: str, cost: Mapping[str, float], plain: Mapping[str, float]) -> list[str]:
    return [
        name,
        f"{1000 * cost['seconds']:.1f}",
        f"{cost['seconds'] / plain['seconds']:.2f}",
        f"{cost['mebibytes']:.0f}",
        f"{cost['mebibytes'] / plain['mebibytes']:.2f}",
    ]


def balancing_costs(result: str) -> str:
    """Return the costs; methods that failed with the reason are left out."""
    return costs({name: cost for name, cost in load(result)["costs"].items() if "seconds" in cost})


# -- others ------------------------------------------------------------------------------------------------------------

_COMMANDS = {
    "prepare": "`taskscape prepare folder`",
    "prepare in shards of 1,000": "the same with `--shard 1000`",
    "check": "`taskscape data check`",
    "train": "`taskscape train`, batches of 32",
}


def large_set(results: Mapping[str, Any]) -> str:
    """Return the memory of each command, by the number of images."""
    sizes = results["store MiB"]
    rows = [["the store", *(f"{size:.0f}" for size in sizes.values())]]
    for name, usage in results["commands"].items():
        rows.append([_COMMANDS[name], *(f"{usage[count]['mebibytes']:.0f}" for count in sizes)])
    return table(["MiB", *(f"{int(count):,} images" for count in sizes)], rows)


def kills() -> str:
    """Return a sentence on the number of killed processes."""
    reports = [load(name)["weightings"] for name in ("faults", "faults-more", "faults-again", "faults-new")]
    counts: dict[str, int] = {}
    for report in reports:
        for name, outcome in report.items():
            counts[name] = counts.get(name, 0) + outcome["kills"]
    num_different = sum(bool(outcome["differences"]) for report in reports for outcome in report.values())
    return (
        f"all {len(counts)} weightings were killed {min(counts.values())} times or more, {sum(counts.values())} kills "
        f"in all, and {num_different or 'none'} ended differently"
    )


def fuzzing() -> str:
    """Return a sentence on the number of damaged files, and on the fuzzing driver."""
    report = load("fuzz")
    faults = sum(len(target["findings"]) for target in report["targets"].values())
    inputs = sorted(target["inputs"] for target in report["targets"].values() if "inputs" in target)
    return (
        f"{len(report['targets'])} targets were given {report['inputs']:,} files by {report['driver']}, {inputs[0]:,} "
        f"to {inputs[-1]:,} each, and {faults or 'none'} failed in another way than by a refusal"
    )


def networks() -> str:
    results = load("networks")
    return learning([*results["baselines"], *results["rows"]])


_PRECISION = {"semseg/miou": "mIoU % ↑", "depth/si_log_rmse": "SI ↓"}


def precision_training() -> str:
    """Return a row per network and metric: means over the seeds with their deviations, and the paired differences."""
    rows = []
    for name, by_precision in load("precision_training")["networks"].items():
        for metric, title in _PRECISION.items():
            exact, rounded = (
                [metrics[metric] for metrics in by_precision[precision].values()] for precision in ("fp32", "bf16")
            )
            differences = [y - x for x, y in zip(exact, rounded, strict=True)]
            cells = [_figure(values, "{:.2f}", 1) for values in (exact, rounded)]
            rows.append([name, title, *cells, _figure(differences, "{:+.2f}", 1)])
    return table(["", "", "fp32", "bf16", "bf16 - fp32, same seed"], rows, texts=2)


def weightings() -> str:
    left_out = ("parameters", "flops", "seconds_per_step")  # the network is the same, and times are in another table
    rows = [{name: value for name, value in row.items() if name not in left_out} for row in load("balancing")["rows"]]
    return learning(rows)


# -- experiments.py ----------------------------------------------------------------------------------------------------


class Claim(NamedTuple):
    """The claim that one recipe is better than another."""

    text: str
    better: str
    """The recipe, with further arguments if any."""
    worse: str
    metrics: tuple[str, ...]
    """The metrics to compare; each gets its own verdict."""
    published: str


SI, MIOU = "depth/si_log_rmse", "semseg/miou"
WITHOUT_FLOORS = "mIoU - SI"
"""The Grader without its floors at 50, since small networks are below them."""
_ENCODER = "--network.encoder tf_efficientnet_lite0"
"""An encoder whose weights are available in a Python package."""
_RUNGS = (
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
_MTAN = "mtan/cityscapes_7"
_INVERSE = "depth/inverse_abs_err"


METERS_AND_LOG = ("ladder/rung5", "ladder/rung6")
"""Recipes that learn depth in meters and in log meters, for which the distribution of depth is recorded."""

CLAIMS = (
    *(
        Claim(text, f"ladder/rung{rung}", f"ladder/rung{rung - 1}", (WITHOUT_FLOORS,), f"Grader {worse} → {better}")
        for rung, (text, worse, better) in enumerate(_RUNGS, 2)
    ),
    Claim(
        "depth in log meters is better",
        METERS_AND_LOG[1],
        METERS_AND_LOG[0],
        (SI, "depth/abs_rel"),
        "SI 16.654 → 15.614",
    ),
    Claim(
        "weights of ImageNet help",
        f"ladder/rung1 {_ENCODER} --network.pretrained True",
        f"ladder/rung0 {_ENCODER}",
        (WITHOUT_FLOORS,),
        "Grader 43.542 → 47.455",
    ),
    *(
        Claim(
            f"MTAN is better than {name.replace('_', '-')}", _MTAN, f"mtan/{name}_cityscapes_7", (MIOU, _INVERSE), "-"
        )
        for name in ("split", "dense", "cross_stitch")
    ),
    *(
        Claim(
            f"cross-task consistency helps, against {text}",
            "consistency/cityscapes_7",
            f"consistency/{name}_cityscapes_7",
            ("semseg/miou_per_image", _INVERSE),
            "-",
        )
        for name, text in (("none", "none"), ("xtc", "transferred ground truth"))
    ),
    Claim("SILog is better than L1", "adaptive/silog_joint", "adaptive/l1_joint", (SI,), "without figures"),
    Claim("adaptive bins help", "adaptive/adaptive_depth", "adaptive/depth_without_bins", (SI,), "without figures"),
    *(
        Claim(
            f"MTAN is better than a network for {task} alone",
            _MTAN,
            f"mtan/single_{recipe}",
            (metric,),
            "-",
        )
        for task, recipe, metric in (
            ("segmentation", "semseg_cityscapes_7", MIOU),
            ("depth", "depth_cityscapes", _INVERSE),
        )
    ),
    Claim("attention over skips helps", "adaptive/skip_fusion", "adaptive/branched", (SI,), "SI 19.88 → 18.33"),
    Claim("an ASPP and a decoder per task help", "attention/branched", "attention/joint", (SI,), "as a curve"),
    *(
        Claim(f"MTAN is better than {name.replace('_', ' ')}", _MTAN, f"mtan/{name}_cityscapes_7", (MIOU,), "-")
        for name in ("split_wide", "split_deep")
    ),
    Claim(
        "the mean over three sizes helps",
        "adaptive/three_scales",
        "adaptive/one_epoch",
        (WITHOUT_FLOORS,),
        "half a Grader 23.85 → 24.15",
    ),
)
"""Claims of the papers as comparisons of recipes, the most important first."""


_SMALL = "--network.encoder resnet10t --optimizer.lr 1e-3"
_SMALL_JOINT = "--network.encoder resnet10t --network.width 64 --network.output-stride 32 --optimizer.lr 1e-3"
_NARROW = {
    "mtan/": "--network.widths 8 16 32 64 64 --optimizer.lr 1e-3",
    "adaptive/silog_joint": _SMALL_JOINT,
    "adaptive/l1_joint": _SMALL_JOINT,
    "adaptive/adaptive_depth": f"{_SMALL} --network.width 64 --network.grid 8",
    "adaptive/": _SMALL,
    "attention/": _SMALL,
    "consistency/": _SMALL,
}
"""Arguments that make a recipe small enough for a CPU, by the prefix of its name: narrow networks train in minutes."""


def narrow(name: str) -> str:
    """Return a recipe in a size that trains in minutes on a CPU, or unchanged if there is no such size."""
    more = next((words for start, words in _NARROW.items() if name.startswith(start)), "")
    return f"{name} {more}".strip()


def narrowed(claim: Claim) -> Claim:
    """Return a claim about its recipes in the size for a CPU."""
    return claim._replace(better=narrow(claim.better), worse=narrow(claim.worse))


def recipes_of_claims() -> list[str]:
    """Return the recipes that must be trained to check the claims, in their order."""
    return list(dict.fromkeys(name for claim in CLAIMS for name in (claim.worse, claim.better)))


def experiments() -> dict[str, Any]:
    """Return the results of experiments.py."""
    results: dict[str, Any] = load("experiments")
    return results


def higher_is_better(metric: str) -> bool:
    """Return whether higher values of a metric of claims are better."""
    return metric.startswith(("semseg", "grader", WITHOUT_FLOORS))


def values(name: str, metric: str) -> dict[str, float]:
    """Return a metric of a recipe by seed."""
    by_seed = {}
    for seed, run in experiments()["runs"].get(name, {}).items():
        metrics = run["metrics"]
        if metric == WITHOUT_FLOORS and MIOU in metrics and SI in metrics:
            metrics = {**metrics, metric: metrics[MIOU] - metrics[SI]}
        if metric in metrics:
            by_seed[seed] = metrics[metric]
    return by_seed


def _digits(metric: str) -> int:
    return 4 if metric.startswith("depth/") and metric != SI else 2


def _mean(numbers: Sequence[float], metric: str, sign: str = "") -> str:
    """Return the mean, with the standard deviation if there are several values."""
    form = f".{_digits(metric)}f"
    spread = f" ± {statistics.stdev(numbers):{form}}" if len(numbers) > 1 else ""
    return f"{statistics.fmean(numbers):{sign}{form}}{spread}"


def differences(claim: Claim, metric: str) -> list[float]:
    """Return the gain of the recipe that is claimed to be better, for each seed with which both were trained."""
    better, worse = values(claim.better, metric), values(claim.worse, metric)
    sign = 1 if higher_is_better(metric) else -1
    return [sign * (better[seed] - worse[seed]) for seed in better if seed in worse]


def verdict(gains: Sequence[float]) -> str:
    """Return whether a claim holds: the mean gain of at least three seeds exceeds the deviation between seeds."""
    if len(gains) < 3:
        return f"open: {len(gains)} of 3 seeds" if gains else ""
    mean, spread = statistics.fmean(gains), statistics.stdev(gains)
    return "within the spread" if abs(mean) <= spread else "**holds**" if mean > 0 else "**does not hold**"


def claims() -> str:
    """Return a row per claim and metric."""
    rows = [
        [claim.text, f"`{claim.better}` against `{claim.worse}`", claim.published, *_judged(claim, metric)]
        for claim in CLAIMS
        for metric in claim.metrics
    ]
    return table(["claim", "recipes", "published", *_JUDGED], rows, texts=8)


def claims_narrow() -> str:
    """Return the same for narrow networks, if both of a claim were trained, without their additional arguments."""
    rows = [
        [claim.text, f"`{claim.better}` against `{claim.worse}`", *_judged(narrowed(claim), metric)]
        for claim in CLAIMS
        for metric in claim.metrics
        if narrowed(claim) != claim and differences(narrowed(claim), metric)
    ]
    return table(["claim", "recipes, `--narrow`", *_JUDGED], rows, texts=7)


_JUDGED = ("trained", "metric", "here, small", "better by", "verdict")


def _judged(claim: Claim, metric: str) -> list[str]:
    """Return the cells with the results of a claim for one metric."""
    gains = differences(claim, metric)
    worse, better = (values(name, metric) for name in (claim.worse, claim.better))
    pair = ([by_seed[seed] for seed in sorted(worse.keys() & better.keys())] for by_seed in (worse, better))
    cells = [" → ".join(_mean(by_seed, metric) for by_seed in pair), _mean(gains, metric, "+")] if gains else ["", ""]
    words = f"{_NAMES[metric]} {'↑' if higher_is_better(metric) else '↓'}"
    return [_trained(claim.better) if gains else "", words, *cells, verdict(gains) or "not run here"]


def about_experiments() -> str:
    """Return a sentence on the machines and the training lengths of the runs of the claims."""
    runs = experiments()["runs"]
    parts = []
    for machine in dict.fromkeys(run["machine"] for by_seed in runs.values() for run in by_seed.values()):
        runs_here = {
            name: [run for run in by_seed.values() if run["machine"] == machine] for name, by_seed in runs.items()
        }
        all_runs = [run for by_seed in runs_here.values() for run in by_seed]
        steps, val = (statistics.mode(run[key] for run in all_runs) for key in ("steps", "val"))
        parts.append(
            f"{machine}: {len(all_runs)} runs of {sum(map(bool, runs_here.values()))} recipes, {steps:,} steps each, "
            f"measured on {val} images"
        )
    return "; ".join(parts)


def _trained(name: str) -> str:
    """Return the machine and the training length of a recipe, in short."""
    lengths = {
        f"{run['machine'].partition(',')[0].removeprefix('NVIDIA ').split()[0]}, {run['steps']:,} steps"
        for run in experiments()["runs"].get(name, {}).values()
    }
    return "; ".join(sorted(lengths))


_NAMES = {
    MIOU: "mIoU",
    "semseg/miou_per_image": "mIoU per image",
    SI: "SI",
    "depth/abs_rel": "abs rel",
    _INVERSE: "abs err of inverse depth",
    WITHOUT_FLOORS: "mIoU - SI",
}


def times_of_networks() -> str:
    """Return a row per network for both tasks: times on each machine, also relative to one network per task."""
    rows = []
    for machine, families in experiments()["times"].items():
        for family, times in families.items():
            if not isinstance(times, dict):
                continue
            alone = {
                scope: sum(t for name, t in seconds_by_name.items() if "alone" in name)
                for scope, seconds_by_name in times.items()
            }
            for name in times["step"]:
                if "alone" in name:
                    continue
                cells = []
                for scope in ("step", "image", "batch"):
                    t = times[scope][name]
                    cells += [f"{1000 * t:.1f}", f"{t / alone[scope]:.2f}"]
                rows.append([f"{family}: {name}", machine.partition(",")[0], *cells])
    head = ["network", "machine"]
    for scope in ("step", "one image", "batch"):
        head += [f"{scope}, ms", "of two"]
    return table(head, rows, texts=2)


def _reached(name: str) -> str:
    """Return the metrics of a recipe, with the number of seeds; "" if it was not run."""
    count = len(experiments()["runs"].get(name, {}))
    by_metric = {metric: list(values(name, metric).values()) for metric in _SHOWN}
    reached = ", ".join(
        f"{_SHOWN[metric]} {_mean(numbers, metric)}" for metric, numbers in by_metric.items() if numbers
    )
    return f"{reached} ({count} seed{'s' * (count > 1)})" if reached else ""


def sweeps() -> str:
    """Return a row per published sweep: the varied settings, the commands, and the published results."""
    rows = []
    for name, sweep in published_sweeps().items():
        varied, _, published = sweep.text.partition(". Published: ")
        command = f"`taskscape sweep {name}`"
        rows.append([varied, command, "`… --scale small --seeds 0 1 2`", published, "not run here"])
    return table(["what is varied", "full scale", "small scale", "published", "here, small"], rows, texts=5)


_SHOWN = {MIOU: "mIoU", SI: "SI", _INVERSE: "abs err of inverse depth", "grader": "Grader"}


def group_of_experiments(group: str) -> str:
    """Return a row per recipe of a group."""
    rows = []
    for name, listed in by_group()[group].items():
        here = _reached(name) or "not run here"
        rows.append([f"`taskscape train {name}`", "`… --scale small`", listed.published, here])
    return table(["full scale", "small scale", "published", "here, small"], rows, texts=4)


# -- gpu_speed.py ------------------------------------------------------------------------------------------------------

_LADDER_IMAGES = 20_000 * 24
"""Number of images on which the last rung of the ladder is trained at full scale."""


def gpu_speed() -> str:
    """Return a row per network: milliseconds per step in each way, images per second, shares of the roof, memory."""
    rows = []
    for name, result in load("gpu_speed")["networks"].items():
        height, width = result["size"]
        eager, graph, roof = (result[key]["ms"] for key in ("eager", "graph", "roof"))
        rows.append(
            [
                name.partition(", batch")[0],
                f"{result['images']} of {height}x{width}",
                *(f"{ms:.1f}" for ms in (eager, graph, roof)),
                *(f"{1000 * result['images'] / ms:,.0f}" for ms in (eager, graph)),
                *(f"{100 * roof / ms:.0f}" for ms in (eager, graph)),
                f"{result['mebibytes']:,}",
            ]
        )
    steps = ("step, ms", "as a graph", "roof")
    more = ("images/s", "as a graph", "% of the roof", "as a graph", "peak MiB")
    return table(["network", "batch", *steps, *more], rows, texts=2)


def gpu_ladder() -> str:
    """Return a row per batch size: minutes to train the last rung of the ladder at full scale."""
    rows = []
    for name, result in load("gpu_speed")["networks"].items():
        if name.startswith("ladder/rung10"):
            steps = _LADDER_IMAGES // result["images"]
            minutes = [f"{steps * result[way]['ms'] / 60_000:.0f}" for way in ("eager", "graph", "roof")]
            rows.append([f"{result['images']}", f"{steps:,}", *minutes])
    return table(["batch", "steps", "minutes", "as graphs", "at the roof"], rows)


def start_up(seconds_by_command: Mapping[str, float]) -> str:
    """Return a row per command, in seconds of processor time."""
    return table(
        ["", "processor time, s"], [[f"`{name}`", f"{seconds:.2f}"] for name, seconds in seconds_by_command.items()]
    )


PARTS: dict[str, Callable[[], str]] = {
    "gpu-speed": gpu_speed,
    "gpu-ladder": gpu_ladder,
    "start-up": lambda: start_up(load("startup")),
    "claims": claims,
    "claims-narrow": claims_narrow,
    "experiments-about": about_experiments,
    "experiments-sweeps": sweeps,
    "experiments-times": times_of_networks,
    **{
        f"experiments-{group}": partial(group_of_experiments, group)
        for group in by_group()
        if group not in ("", "photographs")
    },
    "networks": networks,
    "precision-training": precision_training,
    "frozen": frozen_tables.steps,
    "balancing": weightings,
    "weighting": partial(balancing_costs, "weighting"),
    "weighting-xtask": partial(balancing_costs, "weighting-xtask"),
    "weighting-distill": partial(balancing_costs, "weighting-distill"),
    "large-set": lambda: large_set(load("large_set")),
    "kills": kills,
    "fuzzing": fuzzing,
    **photograph_tables.PARTS,
    **street_tables.PARTS,
    **video_tables.PARTS,
    **confidence_tables.PARTS,
    **export_tables.PARTS,
    **int8_tables.PARTS,
    **speed_tables.PARTS,
}
"""Functions that format results, by the name in documents."""


def render(text: str) -> str:
    """Return a document with its results updated. Raises ``KeyError`` for a name that is not in ``PARTS``."""

    def part(match: re.Match[str]) -> str:
        content = PARTS[match[2]]()
        return f"{match[1]}\n\n{content}\n\n{match[4]}" if "\n" in content else f"{match[1]}{content}{match[4]}"

    return _PART.sub(part, text)


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    for document in DOCUMENTS:
        before = document.read_text("utf-8")
        if (after := render(before)) != before:
            document.write_text(after, "utf-8")
            print(document.relative_to(ROOT))
