"""The benchmark of published experiments: its runs, and the verdicts on claims."""

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "benchmarks"), str(ROOT / "docs")]

import histograms  # noqa: E402

import experiments  # noqa: E402
import tables  # noqa: E402


def runs(**metrics: list[float]) -> dict[str, Any]:
    """Return runs of seeds 0, 1, …; __ in the names of metrics stands for a slash."""
    count = len(next(iter(metrics.values())))
    named = {name.replace("__", "/"): values for name, values in metrics.items()}
    return {str(seed): {"metrics": {name: values[seed] for name, values in named.items()}} for seed in range(count)}


Find = Callable[..., None]


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch) -> Find:
    """Return a function that replaces the recorded results by these runs and times."""
    return lambda **parts: monkeypatch.setattr(tables, "experiments", lambda: {"runs": {}, "times": {}, **parts})


def test_a_claim_is_judged_by_pairs_of_seeds(found: Find) -> None:
    claim = tables.Claim("", "new", "old", (tables.SI,), "-")
    content = {"new": runs(depth__si_log_rmse=[10, 21, 31]), "old": runs(depth__si_log_rmse=[12, 23, 33])}
    found(runs=content)
    assert tables.differences(claim, tables.SI) == [2, 2, 2]  # lower is better
    content["old"] = runs(depth__si_log_rmse=[12, 20])
    found(runs=content)
    assert tables.differences(claim, tables.SI) == [2, -1]


def test_the_grader_without_floors(found: Find) -> None:
    found(runs={"a": runs(semseg__miou=[20.0], depth__si_log_rmse=[40.0]), "b": runs(x=[1])})
    assert tables.values("a", tables.WITHOUT_FLOORS) == {"0": -20.0}
    assert tables.values("b", tables.WITHOUT_FLOORS) == {} == tables.values("c", tables.SI)


@pytest.mark.parametrize(
    ("gains", "expected"),
    [
        ([], ""),
        ([1.0, 1.0], "open: 2 of 3 seeds"),
        ([1.0, 1.1, 0.9], "**holds**"),
        ([-1.0, -1.1, -0.9], "**does not hold**"),
        ([1.0, -1.0, 0.5], "within the spread"),
    ],
)
def test_verdicts(gains: list[float], expected: str) -> None:
    assert tables.verdict(gains) == expected


def test_times_are_relative_to_one_network_per_task(found: Find) -> None:
    every = {"one alone": 0.01, "other alone": 0.03, "both": 0.02}
    of = {"size": [64, 128], "Family": {"step": every, "batch": every, "image": every}}
    found(times={"GPU, torch": of})
    assert tables.times_of_networks().splitlines()[2:] == [
        "| Family: both | GPU | 20.0 | 0.50 | 20.0 | 0.50 | 20.0 | 0.50 |"
    ]


def test_every_claim_can_be_trained() -> None:
    size = experiments.Size(train=8, val=2, halved=True, epochs=4)
    for name in tables.recipes_of_claims():
        experiment = size.of(name)
        assert (experiment.data.train, experiment.data.val) == (8, 2)  # type: ignore[attr-defined]
        assert experiment.epochs == (6 if name == "ladder/rung10" else 4)
        assert experiment.precision == "fp32"
    assert experiments.Size(8, 2, halved=True, epochs=4, steps=100).of("ladder/rung2").data.train == 25 * 4  # type: ignore[attr-defined]
    for name in map(tables.narrow, tables.recipes_of_claims()):
        size.of(name)  # each recipe has settings for a narrow network
    pretrained = [name for name in tables.recipes_of_claims() if getattr(size.of(name).network, "pretrained", False)]
    assert pretrained == ["ladder/rung1 --network.encoder tf_efficientnet_lite0 --network.pretrained True"]


def test_a_queue_keeps_failures_and_begins_nothing_late(tmp_path: Path) -> None:
    size = experiments.Size(train=8, val=2, halved=True, epochs=1)
    jobs = list(experiments.jobs(["adaptive/branched"], [0, 1, 2], size, tmp_path, {"runs": {}}))
    file = tmp_path / "found.json"
    queue = experiments.Queue(jobs, file, time.monotonic() + 60)
    assert queue._next() is jobs[0]
    queue._keep(jobs[0], {"error": "ValueError: no"})
    queue._keep(jobs[1], {"metrics": {"semseg/miou": 1.0}})
    queue.until = 0
    assert queue._next() is None and queue.jobs == jobs[1:]
    content = experiments.read(file)
    assert content["failed"] == {"adaptive/branched": {"0": "ValueError: no"}}
    left = experiments.jobs(["adaptive/branched"], [0, 1, 2], size, tmp_path, content)
    assert [job.seed for job in left] == [0, 2]


def test_histograms_of_depth_are_shares_per_meter_and_per_octave() -> None:
    edges = np.array([4.0, 8.0, 16.0])
    figure = histograms.draw(edges, np.array([3.0, 1.0]), {"predicted": np.array([1.0, 1.0])})
    meters, octaves = figure.axes
    heights = [[patch.get_data().values.tolist() for patch in axes.patches] for axes in (meters, octaves)]
    assert heights == [[[18.75, 3.125], [12.5, 6.25]], [[75.0, 25.0], [50.0, 50.0]]]


# -- sentences of docs/results/experiments.md --------------------------------------------------------------------------

VERDICTS = {
    (claim.text, metric): tables.verdict(tables.differences(claim, metric))
    for claim in tables.CLAIMS
    for metric in claim.metrics
}


def test_what_is_said_of_the_ladder() -> None:
    of = {text: VERDICTS[text, tables.WITHOUT_FLOORS] for text, metric in VERDICTS if metric == tables.WITHOUT_FLOORS}
    for text in ("dilation helps", "ASPP and a decoder with a skip help", "task distillation helps"):
        assert of[text] == "**holds**"
    for text in ("an ASPP and a decoder per task help", "log depth helps", "attention over both tasks helps"):
        assert of[text] == "within the spread"
    assert of["half the learning rate and 24 epochs help"] == "within the spread"
    assert of["up-projections help"] == of["a second skip helps"] == "**does not hold**"
    assert VERDICTS["depth in log meters is better", "depth/abs_rel"] == "**holds**"


def test_what_is_said_of_the_histograms() -> None:
    meters, log = (
        sum(np.array(run["histogram"]["predicted"]) for run in tables.experiments()["runs"][name].values())
        for name in tables.METERS_AND_LOG
    )
    runs = tables.experiments()["runs"][tables.METERS_AND_LOG[0]].values()
    edges = np.array(next(iter(runs))["histogram"]["edges"])
    near = edges[1:] < 6
    assert log[near].sum() > 1.5 * meters[near].sum()


def ratios(machine: str, what: str) -> dict[str, float]:
    """Return times relative to one network per task."""
    (of,) = (of for name, of in tables.experiments()["times"].items() if machine in name)
    found = {}
    for family in (family for family in of.values() if isinstance(family, dict)):
        times = family[what]
        alone = sum(t for name, t in times.items() if "alone" in name)
        found |= {name: t / alone for name, t in times.items() if "alone" not in name}
    return found


def test_what_is_said_of_one_network_on_a_gpu() -> None:
    for what in ("step", "image", "batch"):
        found = ratios("H100", what)
        assert max(found["split"], found["joint"], found["branched"]) < 0.67
        assert found["with consistency"] < 0.76
    assert round(ratios("H100", "step")["MTAN"], 1) == 1.4 and 1.9 < ratios("H100", "image")["MTAN"] < 2.05
    assert ratios("H100", "step")["dense"] > 1.3 and 0.85 < ratios("H100", "step")["cross-stitch"] < 0.95


def test_what_is_said_of_one_network_on_a_cpu() -> None:
    step, image = ratios("CPU", "step"), ratios("CPU", "image")
    assert round(step["MTAN"], 1) == 1.6 and round(image["MTAN"], 1) == 1.4
    assert max(step["joint"], image["joint"], step["split"], image["split"]) < 0.67
    assert step["branched"] > ratios("H100", "step")["branched"]
    assert 0.9 < step["cross-stitch"] < 1.1 and step["dense"] > 1.3 and image["dense"] > 1.9
    assert step["with consistency"] > 1.5 and image["with consistency"] < 1


def test_what_other_tables_say() -> None:
    rows = {row["name"]: row for row in tables.load("networks")["rows"]}
    mtan, metric = rows["segnet-mtan"], "semseg/miou"
    for name in ("segnet-split", "segnet-cross-stitch"):
        assert mtan[metric] > rows[name][metric] and mtan[tables.SI] < rows[name][tables.SI]
    assert mtan[metric] < rows["segnet-dense"][metric] and mtan[tables.SI] < rows["segnet-dense"][tables.SI]
    assert rows["adaptive-depth"][tables.SI] > rows["deeplab-branched-lite"][tables.SI]
    photographs = tables.load("photographs")
    pretrained = [run["metrics"][metric] for run in photographs["camvid/first"].values()]
    random = [run["metrics"][metric] for run in photographs["camvid/first-random"].values()]
    assert len(pretrained) >= 3 and min(pretrained) > 70 and 58 <= max(random) < 59


def gains(text: str, metric: str, *, narrow: bool = False) -> list[float]:
    """Return the gain of a claim for each seed."""
    (claim,) = (claim for claim in tables.CLAIMS if claim.text == text)
    if narrow:
        claim = tables.narrowed(claim)
    return tables.differences(claim, metric)


def paired(better: str, worse: str, metric: str) -> list[float]:
    """Return the gain of one recipe over another for each seed."""
    return tables.differences(tables.Claim("", better, worse, (metric,), ""), metric)


ERROR = "depth/inverse_abs_err"


def test_what_is_said_of_mtan_at_full_width() -> None:
    for metric in (tables.MIOU, ERROR):
        assert VERDICTS["MTAN is better than split", metric] == "**holds**"
        assert VERDICTS["MTAN is better than dense", metric] == "**does not hold**"
        assert VERDICTS["MTAN is better than cross-stitch", metric] == "within the spread"
    for name, points in (("split", 6), ("split wide", 7), ("split deep", 13)):
        of = gains(f"MTAN is better than {name}", tables.MIOU)
        assert tables.verdict(of) == "**holds**" and round(np.mean(of)) == points
    mtan, split = (list(tables.values(f"mtan/{name}cityscapes_7", ERROR).values()) for name in ("", "split_"))
    assert np.mean(mtan) < 5.05 / 6 * np.mean(split)
    deep, wide = (
        paired(f"mtan/split_{name}_cityscapes_7", "mtan/split_cityscapes_7", tables.MIOU) for name in ("deep", "wide")
    )
    assert tables.verdict(deep) == "**does not hold**" and tables.verdict(wide) == "within the spread"
    dense = [np.mean(gains("MTAN is better than dense", metric)) for metric in (tables.MIOU, ERROR)]
    assert round(dense[0], 1) == -2.5 and round(dense[1], 3) == -0.008
    assert VERDICTS["MTAN is better than a network for segmentation alone", tables.MIOU] == "within the spread"
    assert VERDICTS["MTAN is better than a network for depth alone", ERROR] == "**does not hold**"
    alone = gains("MTAN is better than a network for depth alone", ERROR)
    assert max(alone) < 0 and round(np.mean(alone), 3) == -0.01


def test_what_is_said_of_the_sizes_of_networks_and_of_meters() -> None:
    every_run = tables.experiments()["runs"]
    runs = {name: of for name, of in every_run.items() if name.startswith("mtan/") and " " not in name}
    millions = {name.split("/")[1]: round(of["0"]["parameters"] / 1e6) for name, of in runs.items()}
    assert millions == {
        **{"cityscapes_7": 41, "split_cityscapes_7": 25, "split_wide_cityscapes_7": 44, "split_deep_cityscapes_7": 51},
        **{"dense_cityscapes_7": 91, "cross_stitch_cityscapes_7": 50},
        **{"single_semseg_cityscapes_7": 25, "single_depth_cityscapes": 25},
    }
    every = [run["metrics"] for of in runs.values() for run in of.values() if ERROR in run["metrics"]]
    for metric, least, most in (("depth/abs_err", 71, 7595), (tables.SI, 45, 208)):
        assert (round(min(of[metric] for of in every)), round(max(of[metric] for of in every))) == (least, most)
    assert max(of.get("grader", 0) for of in every) < 1


def test_what_is_said_of_deeplab_at_full_width() -> None:
    silog = gains("SILog is better than L1", tables.SI)
    assert tables.verdict(silog) == "**holds**" and round(np.mean(silog), 1) == 7.5
    skips = gains("attention over skips helps", tables.SI)
    assert tables.verdict(skips) == "**does not hold**" and round(np.mean(skips), 1) == -0.5
    assert max(skips) < 0 and round(max(skips), 1) == -0.1
    assert VERDICTS["an ASPP and a decoder per task help", tables.SI] == "within the spread"
    per_task = paired("attention/branched", "attention/joint", tables.MIOU)
    assert (round(np.mean(per_task), 1), round(np.std(per_task, ddof=1), 1)) == (2.7, 0.6)
    sizes = gains("the mean over three sizes helps", tables.WITHOUT_FLOORS)
    assert tables.verdict(sizes) == "**does not hold**" and round(np.mean(sizes), 1) == -0.7
    for metric in (tables.MIOU, tables.SI):
        assert tables.verdict(paired("adaptive/three_scales", "adaptive/one_epoch", metric)) == "within the spread"
        assert max(map(abs, paired("adaptive/branched", "adaptive/one_epoch", metric))) < 0.2
    for narrow, about in ((False, -1.3), (True, -9.3)):
        behind = gains("adaptive bins help", tables.SI, narrow=narrow)
        assert tables.verdict(behind) == "**does not hold**" and round(np.mean(behind), 1) == about


def test_what_is_said_of_consistency_at_full_width() -> None:
    against_none = "cross-task consistency helps, against none"
    behind = gains(against_none, "semseg/miou_per_image")
    assert tables.verdict(behind) == "**does not hold**" and max(behind) < 0 and round(np.mean(behind), 1) == -0.1
    assert VERDICTS[against_none, ERROR] == "within the spread"
    for metric in ("semseg/miou_per_image", ERROR):
        assert VERDICTS["cross-task consistency helps, against transferred ground truth", metric] == "within the spread"


def test_what_is_said_of_narrow_networks() -> None:
    rows = [row.split(" | ") for row in tables.claims_narrow().splitlines()[2:]]
    judged = {(row[0].removeprefix("| "), row[3][:-2]): row[-1].removesuffix(" |") for row in rows}
    assert judged.pop(("MTAN is better than split wide", "mIoU")) == "open: 1 of 3 seeds"
    assert judged.pop(("SILog is better than L1", "SI")) == "**holds**"
    assert judged.pop(("adaptive bins help", "SI")) == "**does not hold**"
    for name in ("dense", "cross-stitch"):
        assert judged.pop((f"MTAN is better than {name}", "mIoU")) == "**does not hold**"
    assert len(judged) == 9 and set(judged.values()) == {"within the spread"}


def test_every_claim_has_a_verdict_of_three_seeds() -> None:
    assert all(len(tables.differences(claim, metric)) == 3 for claim in tables.CLAIMS for metric in claim.metrics)
    assert all(f"`taskscape sweep {name}`" in tables.sweeps() for name in tables.published_sweeps())
