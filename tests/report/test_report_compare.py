import csv
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import stdev
from typing import Any

import numpy as np
import pytest
from fake_runs import MODALITIES, change_result

from taskscape.metrics import DepthMetrics
from taskscape.metrics.spec import MetricSpec
from taskscape.modalities import Depth
from taskscape.report import write_comparison, write_report
from taskscape.report.columns import best_group
from taskscape.report.compare import start_of
from taskscape.report.comparison.delta_m import delta_m_of, single_task_groups
from taskscape.report.comparison.differ import Difference, differ
from taskscape.report.comparison.pairs import paired, pairs
from taskscape.report.comparison.settings import differences
from taskscape.report.glossary import leading
from taskscape.report.groups import group
from taskscape.report.protocol import same_protocol
from taskscape.report.run import Run
from taskscape.report.times import Times
from taskscape.report.yardsticks import single_task_runs
from taskscape.run_folder import EpochMean, Progress

MakeRun = Callable[..., Path]


def load(*paths: Path) -> list[Run]:
    return [Run.load(path) for path in paths]


def test_runs_that_differ_in_the_seed_alone_are_one_group(make_run: MakeRun) -> None:
    runs = load(
        make_run("joint-seed0"), make_run("other", settings={"epochs": 9}),
        make_run("joint-seed1", settings={"seed": 1}, scale=1.2),
    )  # fmt: skip
    first, second = group(runs)
    assert (first.name, len(first.runs), second.name) == ("joint", 2, "other")
    assert first.means["semseg/miou"] == pytest.approx(66)
    assert "semseg/unknown" not in first.means and first.values("semseg/unknown") == []
    assert differences([first, second]) == {"epochs": ["4", "9"]}


def test_a_change_of_classes_is_explained_only_where_there_is_one(make_run: MakeRun, tmp_path: Path) -> None:
    seeds = [make_run("joint-seed0"), make_run("joint-seed1", settings={"seed": 1})]
    words = "the change relative to joint."
    assert words not in write_comparison(seeds, tmp_path / "page.html").read_text("utf-8")
    other = make_run("other", settings={"epochs": 9})
    assert words in write_comparison([*seeds, other], tmp_path / "page.html").read_text("utf-8")


@pytest.mark.parametrize(
    ("names", "column"),
    [
        (("lr=1e-2,seed=0", "lr=1e-2,seed=1"), "lr=1e-2"),
        (("joint-1", "joint-10"), "joint"),
        (("joint-seed10", "joint-seed11"), "joint"),
        (("r18-a", "r18-b"), "r18"),
    ],
)
def test_a_column_is_not_called_like_a_seed(names: tuple[str, ...], column: str, make_run: MakeRun) -> None:
    (only,) = group(load(*(make_run(name, settings={"seed": seed}) for seed, name in enumerate(names))))
    assert only.name == column


def test_same_folder_names_are_told_apart(make_run: MakeRun) -> None:
    groups = group(load(make_run("a/run"), make_run("b/run", settings={"epochs": 9})))
    assert [g.name for g in groups] == ["a/run", "b/run"]
    groups = group(load(make_run("x/a/run"), make_run("y/a/run", settings={"epochs": 9})))
    assert [g.name for g in groups] == ["x/a/run", "y/a/run"]


def test_a_task_that_is_missing_differs_in_its_type_only(make_run: MakeRun) -> None:
    groups = group(load(make_run("a"), make_run("b", ("semseg", "depth"))))
    assert differences(groups) == {"tasks.normals.type": ["normals", "–"]}


def test_delta_m_is_the_mean_relative_change_and_worse_is_positive(make_run: MakeRun) -> None:
    single = [make_run(task, (task,)) for task in ("semseg", "depth")]
    # mIoU and accuracy are 10 % higher, which is better, and errors too, which is worse: over both tasks they cancel.
    both, more = make_run("both", ("semseg", "depth"), scale=1.1), make_run("more", scale=1.1)
    groups = group(load(*single, both, more))
    base = single_task_groups(groups[2], groups)
    assert set(base) == {"semseg", "depth"}
    assert delta_m_of(groups[0], base) is None and delta_m_of(groups[2], {}) is None
    change = delta_m_of(groups[2], base)
    assert change and change.percent == pytest.approx(0)
    assert change.metrics == ("semseg/miou", "semseg/pixel_accuracy", "depth/abs_err", "depth/abs_rel")
    assert delta_m_of(groups[2], {"semseg": groups[0]}) is None  # depth has no single-task run
    assert delta_m_of(groups[3], single_task_groups(groups[3], groups)) is None  # normals have none


def test_a_delta_m_that_is_asked_for_and_missing_is_explained(make_run: MakeRun, tmp_path: Path) -> None:
    runs = [make_run("one"), make_run("two", settings={"epochs": 3})]
    text = write_comparison(runs, tmp_path / "page.html", delta_m=["semseg/miou"]).read_text("utf-8")
    assert "one: none, no single-task run of its protocol for segmentation" in text
    assert "Δm" not in write_comparison(runs, tmp_path / "page.html").read_text("utf-8")


def test_delta_m_has_a_deviation_over_the_seeds_of_the_network(make_run: MakeRun, tmp_path: Path) -> None:
    runs = [make_run("single", ("depth",)), *(make_run(f"both{i}", settings={"seed": i}) for i in range(3))]
    for run, errors in zip(runs[1:], ((2.2, 0.1), (2.0, 0.1), (1.6, 0.11)), strict=True):
        metrics = Run.load(run).result.metrics
        change_result(run, metrics={**metrics, "depth/abs_err": errors[0], "depth/abs_rel": errors[1]})
    per_run = [5.0, 0.0, -5.0]  # the means of the relative changes, in percent
    text = write_comparison(runs, tmp_path / "a.html", delta_m=["depth/abs_err", "depth/abs_rel"]).read_text("utf-8")
    row = next(line for line in text.split("<tr>") if "Δm against" in line)
    assert f"0.00 <small>± {stdev(per_run):.2f}</small>" in row
    change_result(runs[-1], metrics={})
    text = write_comparison(runs, tmp_path / "a.html", delta_m=["depth/abs_err"]).read_text("utf-8")
    assert re.search(r"\+5\.00</span></td>", text), "over two of three seeds, without a deviation"


def test_metrics_that_delta_m_leaves_out_are_named(make_run: MakeRun, tmp_path: Path) -> None:
    tasks = ("semseg", "depth")
    runs = [*(make_run(task, (task,)) for task in tasks), make_run("both", tasks)]
    assert "leaves out" not in write_comparison(runs, tmp_path / "page.html").read_text("utf-8")
    change_result(runs[2], metrics={"semseg/miou": 66.0, "depth/abs_err": 2.0, "depth/abs_rel": 0.1})
    words = "Δm of both leaves out Pixel accuracy (segmentation): missing here or in its single-task run, or 0 there."
    for name in ("page.html", "table.tex", "table.md"):
        assert words in write_comparison(runs, tmp_path / name).read_text("utf-8")
    assert "leaves out" not in write_comparison(runs, tmp_path / "chosen.html", delta_m=["depth/abs_rel"]).read_text()


def test_a_mean_over_some_runs_of_a_group_says_so_and_is_not_the_best(make_run: MakeRun, tmp_path: Path) -> None:
    a, b = seeds(make_run, "a", 1.0, {}), seeds(make_run, "b", 1.5, {"weighting": {"type": "dwa"}})
    assert 'class="best"' in write_comparison([*a, *b], tmp_path / "page.html").read_text()
    b.append(make_run("b-9", settings={"seed": 9, "weighting": {"type": "dwa"}}))
    change_result(b[-1], metrics={"semseg/miou": 75.0, "semseg/iou/<b>kerb</b> & co": 3.0})
    page = write_comparison([*a, *b], tmp_path / "page.html").read_text("utf-8")
    row = next(line for line in page.split("<tr>") if "Pixel accuracy" in line)
    assert f"<small>({len(b) - 1} of {len(b)})</small>" in row and 'class="best"' not in row
    assert f"({len(b) - 1} of {len(b)})" in write_comparison([*a, *b], tmp_path / "table.md").read_text("utf-8")
    row = next(line for line in page.split("<tr>") if "mIoU" in line)
    assert " of " not in row and 'class="best"' in row


def test_delta_m_is_against_runs_of_the_same_protocol_only(make_run: MakeRun) -> None:
    both = make_run("both", ("semseg", "depth"), settings={"weighting": {"type": "dwa"}})
    singles = [make_run("semseg", ("semseg",)), make_run("depth", ("depth",), settings={"epochs": 9})]
    other_encoder = make_run("r34", ("depth",), settings={"network": {"type": "plain", "encoder": "resnet34"}})
    frozen = [{"type": "plain", "encoder": "resnet18", "freeze": part, "lora": 0} for part in ("all", "none")]
    assert not same_protocol(*load(make_run("joint", settings={"network": frozen[1]}),
                                   make_run("frozen", ("depth",), settings={"network": frozen[0]})))  # fmt: skip
    unfinished = make_run("half", ("depth",), settings={"network": {"type": "plain", "encoder": "resnet18"}})
    change_result(unfinished, progress=Progress(2, 4, finished=False))
    groups = group(load(both, *singles, other_encoder, unfinished))
    assert set(single_task_groups(groups[0], groups)) == {"semseg"}
    alike = make_run("plain", ("depth",), settings={"network": {"type": "plain", "encoder": "resnet18", "width": 3}})
    groups += group(load(alike))
    assert set(single_task_groups(groups[0], groups)) == {"semseg", "depth"}
    change_result(alike, data="other")
    groups[-1] = group(load(alike))[0]
    assert set(single_task_groups(groups[0], groups)) == {"semseg"}


def test_delta_m_is_against_the_single_task_run_with_the_most_similar_network(make_run: MakeRun) -> None:
    def with_network(name: str, tasks: tuple[str, ...], seed: int = 0, **network: Any) -> Path:
        return make_run(name, tasks, settings={"seed": seed, "network": network})

    plain, segnet = {"type": "plain", "encoder": "resnet18"}, {"type": "segnet-split", "width": 1}
    first = with_network("plain", ("depth",), **plain)
    wide, slim = (with_network(f"segnet{width}", ("depth",), **segnet | {"width": width}) for width in (2, 1))
    with_network("segnet-other-seed", ("depth",), seed=1, **segnet)
    attention = {"type": "segnet-attention", "width": 1}
    for network, expected in ((plain, first), (segnet, slim), (segnet | {"width": 2}, wide), (attention, slim)):
        joint = with_network(f"joint-{expected.name}-{network['type']}", ("semseg", "depth"), **network)
        groups = group(load(joint, first, wide, slim))
        assert single_task_groups(groups[0], groups)["depth"].name == expected.name
        assert single_task_runs(Run.load(joint))["depth"].name == expected.name


def test_single_task_runs_of_several_seeds_are_averaged_before_the_change(make_run: MakeRun) -> None:
    singles = [make_run(f"single{i}", ("semseg",), settings={"seed": i}, scale=1 + 0.2 * i) for i in range(2)]
    depth = make_run("depth", ("depth",), scale=1.1)
    groups = group(load(*singles, make_run("both", ("semseg", "depth"), scale=1.1), depth))
    change = delta_m_of(groups[1], single_task_groups(groups[1], groups))
    assert change and change.percent == pytest.approx(0)


def test_relative_depth_is_compared_by_metrics_without_a_scale(make_run: MakeRun) -> None:
    single, both = make_run("depth", ("depth",)), make_run("both", ("semseg", "depth"))
    alone = make_run("semseg", ("semseg",))
    metrics = {"depth/si_log_rmse": 20.0, "depth/median_scaled_abs_rel": 0.2, "depth/median_scaled_delta1": 70.0}
    specs = {f"depth/{name}": spec for name, spec in DepthMetrics(metric=False).specs.items()}
    relative = Depth(metric=False)
    change_result(single, metrics=metrics, specs=specs, tasks={"depth": relative})
    worse = {name: 1.1 * value for name, value in metrics.items()}
    change_result(both, metrics=worse, specs=specs, tasks={"semseg": MODALITIES["semseg"], "depth": relative})
    change_result(alone, metrics={"semseg/miou_per_image": 1.0})  # not part of Δm
    groups = group(load(single, both, alone))
    change = delta_m_of(groups[1], single_task_groups(groups[1], groups))
    assert change and change.metrics == ("depth/si_log_rmse", "depth/median_scaled_abs_rel")
    assert change.percent == pytest.approx(10)
    assert leading(metrics, specs) == ["depth/si_log_rmse"]


STAR = r'<td class="best"><span class="star" role="img" aria-label="best">★</span> '


def seeds(make_run: MakeRun, name: str, scale: float, settings: Mapping[str, object]) -> list[Path]:
    """Write runs of two seeds of an experiment, 2 % apart."""
    return [make_run(f"{name}{i}", scale=scale * (1 + 0.02 * i), settings={**settings, "seed": i}) for i in range(2)]


def test_the_best_is_starred_by_direction(make_run: MakeRun, tmp_path: Path) -> None:
    runs = seeds(make_run, "low", 1.0, {}) + seeds(make_run, "high", 1.5, {"epochs": 9})
    text = write_comparison(runs, tmp_path / "page.html").read_text()
    assert re.search(rf"Pixel accuracy.*?<td>90\.90 <small>± 1\.27</small></td>{STAR}136\.35", text)
    assert re.search(rf"Absolute error.*?{STAR}2\.020 <small>± 0\.028</small></td><td>3\.030", text)
    assert re.search(r"Parameters.*?<td>11\.2 M</td><td>11\.2 M</td>", text)  # equal: none is best
    assert "Δm" not in text and "seconds" not in text.split("</style>")[1].split("Settings")[0]


def test_nothing_is_starred_within_the_spread_over_seeds_or_with_one_seed(make_run: MakeRun, tmp_path: Path) -> None:
    runs = seeds(make_run, "a", 1.0, {}) + seeds(make_run, "b", 1.005, {"epochs": 9})
    assert (
        "★"
        not in write_comparison(runs, tmp_path / "page.html").read_text().split("Metrics</h2>")[1].split("A star")[0]
    )
    assert best_group([[1.0, 1.2], [1.1, 1.3]], True, str) == set()
    assert best_group([[1.0, 1.2], [1.5, 1.5], []], True, str) == {1}
    assert best_group([[1.0, 1.2], [1.5]], True, str) == {1}  # judged by the spread of the other group
    assert best_group([[1.0], [2.0]], True, str) == best_group([[1.0, 2.0]], True, str) == set()
    text = write_comparison([runs[0], runs[2]], tmp_path / "page.html").read_text()
    assert 'class="best"' not in text and "One seed each" in text


@pytest.mark.parametrize(("count", "share"), [(2, 1 / 3), (3, 1 / 5), (5, 1 / 10)])
def test_stars_by_chance_are_as_frequent_as_pages_say(count: int, share: float) -> None:
    rng, trials = np.random.default_rng(0), 4000
    draws = rng.normal(size=(trials, 2, count)).tolist()
    assert sum(bool(best_group(groups, True, str)) for groups in draws) / trials == pytest.approx(share, abs=0.025)


def test_what_differs_besides_the_thing_compared_stands_above_the_table(make_run: MakeRun, tmp_path: Path) -> None:
    a = seeds(make_run, "a", 1.0, {"optimizer": {"type": "adam", "lr": 0.2}})
    network = {"type": "deeplab-branched", "encoder": "resnet34", "rates": [3, 6], "tails": 2}
    b = seeds(make_run, "b", 1.5, {"network": network, "optimizer": {"type": "adam", "lr": 0.1}})
    same = {"network": {**network, "encoder": "resnet18"}, "optimizer": {"type": "adam", "lr": 0.2}}
    c = seeds(make_run, "c", 1.5, same)
    text = write_comparison([*a, *b], tmp_path / "page.html").read_text()
    above = text.split("</style>")[1].split('<section id="metrics"')[0]
    for words in (
        "Compared: network.",
        "Network: encoder",
        "<td>resnet18</td><td>resnet34</td>",
        "Optimizer: learning rate",
    ):
        assert words in above, words
    assert "tails" not in above and 'class="best"' not in text
    clean = write_comparison([*a, *c], tmp_path / "page.html").read_text()
    assert "also differ" not in clean and 'class="best"' in clean


def test_a_further_run_without_a_setting_does_not_hide_that_the_others_differ_in_it(make_run: MakeRun) -> None:
    def with_loss(name: str, tasks: tuple[str, ...], loss: str) -> Path:
        depth = {"depth": {"type": "depth", "loss": {"type": loss}}} if "depth" in tasks else {}
        return make_run(name, tasks, settings={"tasks": {task: {"type": task} for task in tasks} | depth})

    joint, single = with_loss("joint", ("semseg", "depth"), "l1"), with_loss("depth", ("depth",), "silog")
    further, same = with_loss("semseg", ("semseg",), ""), with_loss("same", ("depth",), "l1")
    assert differ(group(load(joint, single))).besides == {"depth: loss": ["l1", "silog"]}
    assert differ(group(load(joint, single, further))).besides == {"depth: loss": ["l1", "silog", "–"]}
    assert differ(group(load(joint, same, further))).comparable
    networks = [("deeplab-joint", "resnet18"), ("deeplab-branched", "resnet50"), ("deeplab-branched", "resnet18")]
    settings = [{"network": {"type": name, "encoder": encoder}} for name, encoder in networks]
    joint, other, same = (make_run(f"network{i}", settings=chosen) for i, chosen in enumerate(settings))
    segnet = make_run("segnet", settings={"network": {"type": "segnet-split"}})
    assert differ(group(load(joint, other, segnet))).besides == {"network: encoder": ["resnet18", "resnet50", "–"]}
    assert differ(group(load(joint, same, segnet))).comparable


def test_runs_on_other_data_or_unfinished_ones_are_not_comparable(make_run: MakeRun, tmp_path: Path) -> None:
    a, b = seeds(make_run, "a", 1.0, {}), seeds(make_run, "b", 1.5, {"weighting": {"type": "dwa"}})
    assert differ(group(load(*a, *b))).comparable
    for run in b:
        change_result(run, data="0123456789abcdef")
    difference = differ(group(load(*a, *b)))
    assert difference.besides == {"evaluated on different data": ["unknown", "0123456789abcdef"]}
    for run in b:
        change_result(run, data="", progress=Progress(2, 4, finished=False))
    assert not differ(group(load(*a, *b))).comparable
    text = write_comparison([*a, *b], tmp_path / "page.html").read_text()
    assert 'class="best"' not in text and "2 of 4 epochs" in text and ">unfinished<" in text
    assert "Trained</th><td>to the end</td>" in text and "A star" not in text


def test_runs_of_the_same_seed_are_named(make_run: MakeRun, tmp_path: Path) -> None:
    runs = [make_run(name, settings={"seed": seed}) for name, seed in (("a0", 0), ("a1", 1), ("a2", 1))]
    other = make_run("b", settings={"epochs": 3})
    said = "A: several runs have the same seed"
    assert said in write_comparison([*runs, other], tmp_path / "page.html").read_text("utf-8")
    assert said not in write_comparison([*runs[:2], other], tmp_path / "page.html").read_text("utf-8")


def test_runs_of_the_same_seed_count_as_one(make_run: MakeRun, tmp_path: Path) -> None:
    """The spread of repetitions with one seed is not that over seeds, so nothing is starred by it."""
    weighting = {"weighting": {"type": "dwa"}}
    a = [make_run("a0", scale=1.0), make_run("a0-again", scale=1.0)]
    b = [make_run("b0", scale=1.5, settings=weighting), make_run("b0-again", scale=1.5, settings=weighting)]
    text = write_comparison([*a, *b], tmp_path / "page.html").read_text("utf-8")
    assert 'class="best"' not in text and "<small>±" not in text and "One seed each" in text
    (same,) = group(load(*seeds(make_run, "c", 1.0, {}), make_run("c-again", scale=2.0)))
    assert len(same.values("depth/abs_rel")) == len(same.by_seed) == len(same.runs) - 1


def test_the_same_data_elsewhere_are_the_same(make_run: MakeRun) -> None:
    a, b = make_run("a", settings={"data": {"path": "here"}}), make_run("b", settings={"data": {"path": "there"}})
    for run in (a, b):
        change_result(run, data="0123456789abcdef")
        (run / "data.json").write_text('{"train": {"store": "x", "fingerprint": "fedcba9876543210"}}')
    assert differ(group(load(a, b))) == Difference([], {}, differ(group(load(a, b))).remarks)


def test_the_same_stores_mixed_otherwise_are_a_difference(make_run: MakeRun) -> None:
    """The fingerprint of mixed data covers their images, not how many of each store are drawn."""
    names: list[str] = []

    def differing(*data: dict[str, Any]) -> Difference:
        names.append(f"{len(names)}-")
        runs = [make_run(f"{names[-1]}{i}", settings={"data": {"type": "mixed", **d}}) for i, d in enumerate(data)]
        for run in runs:
            change_result(run, data="0123456789abcdef")
            (run / "data.json").write_text('{"train": {"store": "x", "fingerprint": "fedcba9876543210"}}')
        return differ(group(load(*runs)))

    here, there, more = ["here/a", "here/b"], ["there/a,share=1", "there/b"], ["here/a,share=3", "here/b"]
    assert not differing({"parts": here}, {"parts": there}).compared
    assert differing({"parts": here}, {"parts": more}).compared == ["data: parts"]
    assert differing({"parts": here, "images": None}, {"parts": here, "images": 8}).compared == ["data: images"]


def test_class_sets_are_told_apart_by_name_and_long_values_cut(make_run: MakeRun, tmp_path: Path) -> None:
    def classes(name: str, count: int) -> dict[str, Any]:
        names, palette = [f"{name} {i}" for i in range(count)], [[i, i, i] for i in range(count)]
        task = {"type": "semseg", "classes": {"name": name, "classes": names, "palette": palette}}
        return {"tasks": {"semseg": task}}

    a, b = (make_run(name, ("semseg",), settings=classes(name, 30)) for name in ("rooms", "roads"))
    assert differ(group(load(a, b))).compared == ["segmentation: classes"]
    longer = make_run("longer", ("semseg",), settings=classes("rooms", 40))
    text = write_comparison([a, longer], tmp_path / "page.html").read_text()
    assert "…</span>" in text
    assert max(map(len, re.findall(r">([^<>]*)</(?:td|span)>", text.split("</style>")[1]))) < 200


def test_a_setting_that_an_earlier_version_did_not_have_is_no_difference(make_run: MakeRun) -> None:
    a = seeds(make_run, "a", 1.0, {"optimizer": {"type": "adam", "lr": 0.2}})
    b = seeds(make_run, "b", 1.5, {"optimizer": {"type": "adam", "lr": 0.2, "layer_decay": 1.0}, "caching": 0.0})
    found = differ(group(load(*a, *b)))
    assert found.comparable
    assert "a version without caching, optimizer: layer decay" in found.remarks[0]


def test_times_are_compared_where_they_were_measured_together(make_run: MakeRun, tmp_path: Path) -> None:
    runs = [make_run("a"), make_run("b", settings={"epochs": 9})]
    alone = write_comparison(runs, tmp_path / "page.html").read_text()
    assert '<span class="flag">--time</span>' in alone, "lines do not break within a flag"
    assert "Times are not compared" in alone and "12.3" not in alone
    latency, batches = ({str(run.resolve()): s * (i + 1) for i, run in enumerate(runs)} for s in (0.02, 0.005))
    times = Times(latency, batches, "CPU, 2 threads, bf16")
    together = write_comparison(runs, tmp_path / "page.html", times=times).read_text()
    assert re.search(r"Time of one image.*?<td>20\.0 ms</td><td>40\.0 ms</td>", together)
    assert "CPU, 2 threads, bf16" in together


def test_differences_are_of_the_same_seeds(make_run: MakeRun, tmp_path: Path) -> None:
    a = [make_run(f"a{i}", scale=1 + 0.5 * i, settings={"seed": i}) for i in range(2)]
    b = [make_run(f"b{i}", scale=1.1 + 0.5 * i, settings={"seed": i, "epochs": 9}) for i in (1, 0, 2)]
    before, after = group(load(*a, *b))
    assert paired(before, after, "semseg/miou") == pytest.approx([6.0, 6.0])  # the spread between seeds cancels
    other = group(load(make_run("c", scale=2.0, settings={"seed": 7, "epochs": 5})))[0]
    assert paired(before, other, "semseg/miou") == []  # no common seed: difference of the means
    runs = [run.folder.path for g in (before, other) for run in g.runs]
    assert "</th><td>+45.00</td><td>–</td><td>–</td>" in write_comparison(runs, tmp_path / "page.html").read_text()
    without = {name: value for name, value in Run.load(b[0]).result.metrics.items() if name != "semseg/miou"}
    change_result(b[0], metrics=without)
    change_result(b[1], metrics=without)
    text = write_comparison([*a, *b], tmp_path / "page.html").read_text()
    assert re.search(
        r"mIoU, segmentation.*?</th><td>\S+<small>of the means</small></td><td>–</td><td>–</td>", text
    )  # of no seed in both


def test_any_two_groups_are_paired_up_to_a_number(make_run: MakeRun, tmp_path: Path) -> None:
    groups = group(load(*(make_run(f"r{i}", settings={"epochs": i}) for i in range(1, 8))))
    assert len(pairs(groups[:4])) == 6 and len(pairs(groups)) == 6
    text = write_comparison([g.runs[0].folder.path for g in groups[:3]], tmp_path / "page.html").read_text()
    assert text.count("No change: no share of a true class") == 3 and text.count("r3 minus r") == 2
    assert "<td>0.00</td>" in text and "+0.0" not in text, "no difference has no sign"


def test_predictions_of_several_networks_stand_side_by_side(make_run: MakeRun, tmp_path: Path) -> None:
    runs = [make_run("a"), make_run("b", settings={"epochs": 9}), make_run("single", ("depth",))]
    (runs[1] / "samples.npz").write_bytes((runs[0] / "samples.npz").read_bytes())
    text = write_comparison(runs, tmp_path / "page.html").read_text().split('<section id="images"')[1]
    assert text.count("<article") == 2 and text.count("<figure") == 2 * (
        1 + 3 * 3 + 1
    )  # image; per task the label and two or three predictions
    assert 'alt="surface normals, b"' in text and "or more" in text  # the scale of depth
    assert re.findall("<h3>(.*?)</h3>", text)[:3] == ["Segmentation", "Depth", "Surface normals"], "as in the first run"
    (runs[1] / "samples.npz").unlink()
    (runs[2] / "samples.npz").unlink()
    assert '<section id="images"' not in write_comparison(runs, tmp_path / "page.html").read_text()


def test_means_of_last_epochs_have_images_and_confusions_of_the_best_ones(make_run: MakeRun, tmp_path: Path) -> None:
    runs = [make_run("one"), make_run("two", settings={"epochs": 9})]
    for run in runs:
        change_result(run, last_epochs=EpochMean(2, {"semseg/miou": 55.0}))
    words = "first run of each column, at its best epoch.", "Confusion matrices are of the best epochs."
    page = write_comparison(runs, tmp_path / "page.html", last_epochs=True).read_text("utf-8")
    assert "means of the last 2 epochs" in page and all(part in page for part in words)
    page = write_comparison(runs, tmp_path / "page.html").read_text("utf-8")
    assert not any(part in page for part in words)


def test_several_seeds_are_a_mean_with_its_standard_deviation(make_run: MakeRun, tmp_path: Path) -> None:
    runs = [make_run(f"r{i}", settings={"seed": i}, scale=1 + 0.1 * i) for i in range(3)]
    singles = [make_run(task, (task,)) for task in ("semseg", "depth", "normals")]
    for single in singles[1:]:
        change_result(single, metrics={})
    text = write_comparison([*runs, *singles], tmp_path / "page.html").read_text()
    assert "66.00 <small>± 6.00</small>" in text and "× 3" in text
    assert re.search(r'Δm.*?<span class="good">−10\.00</span>', text)


def test_two_confusions_are_subtracted(make_run: MakeRun, tmp_path: Path) -> None:
    before, after = make_run("before"), make_run("after", settings={"epochs": 9})
    change_result(after, plots={"semseg/confusion": [[99, 1, 0], [0, 20, 0], [0, 0, 0]]})
    text = write_comparison([before, after], tmp_path / "page.html").read_text()
    cells = re.findall(r"--part:\d+%\">([+−]\d+)</td>", text)
    assert cells == ["+9", "−9", "−25", "+25"]


def test_results_per_class_are_compared_with_the_first_group(make_run: MakeRun, tmp_path: Path) -> None:
    before, after = make_run("before"), make_run("after", scale=0.9, settings={"epochs": 9})
    text = write_comparison([before, after], tmp_path / "page.html").read_text()
    assert re.search(r"Segmentation: IoU, %.*?>road<.*?<td>50\.0</td><td>45\.0 <small class=\"worse\">−5\.0<", text)


def test_a_metric_per_class_need_not_be_a_percentage(make_run: MakeRun, tmp_path: Path) -> None:
    runs = [make_run("before"), make_run("after", settings={"epochs": 9})]
    for run, values in zip(runs, ((0.012, 0.03), (0.014, 0.03)), strict=True):
        names = [f"depth/abs_rel/{name}" for name in ("road", "sky")]
        result = Run.load(run).result
        specs = {name: MetricSpec(f"Relative error {name[14:]}", digits=3, per_class=True) for name in names}
        change_result(
            run, specs=result.specs | specs, metrics={**result.metrics, **dict(zip(names, values, strict=True))}
        )
    text = write_comparison(runs, tmp_path / "page.html").read_text()
    assert "Depth: Relative error</th>" in text
    assert re.search(r">road<.*?<td>0\.012</td><td>0\.014 <small class=\"worse\">\+0\.002<", text)
    assert re.search(r">sky<.*?<td>0\.030</td><td>0\.030 <small>0\.000<", text)
    page = write_report(runs[0]).read_text("utf-8")
    assert re.search(r"road <small></small></span><i style=\"--width:40\.0%[^>]*></i><b>0\.012</b>", page)
    assert "Relative error: " in page


def test_tasks_may_have_any_name(make_run: MakeRun, tmp_path: Path) -> None:
    runs = [make_run("one"), make_run("two", settings={"epochs": 9}, scale=1.1)]
    for run in runs:
        result = Run.load(run).result
        change_result(
            run,
            tasks={"parts" if name == "semseg" else name: modality for name, modality in result.tasks.items()},
            metrics={name.replace("semseg/", "parts/"): value for name, value in result.metrics.items()},
            specs={name.replace("semseg/", "parts/"): spec for name, spec in result.specs.items()},
            plots={name.replace("semseg/", "parts/"): plot for name, plot in result.plots.items()},
        )
    text = write_comparison(runs, tmp_path / "page.html").read_text()
    assert "Parts: IoU, %" in text and "Parts: confusion of classes" in text and "semseg/" not in text


def test_a_warning_where_images_differ(make_run: MakeRun, tmp_path: Path) -> None:
    one, other = make_run("one"), make_run("other", settings={"epochs": 9})
    change_result(other, images=7)
    assert "Evaluated on different images" in write_comparison([one, other], tmp_path / "page.html").read_text()


def test_losses_of_training_and_validation_are_drawn(make_run: MakeRun, tmp_path: Path) -> None:
    text = write_comparison([make_run("a"), make_run("b", settings={"epochs": 9})], tmp_path / "page.html").read_text()
    assert "Training loss, depth over epoch: a from 2 at 1 to 0.5 at 4; b" in text
    assert "Validation loss, depth over epoch: a from 3 at 1 to 0.75 at 4; b" in text


def test_one_run_is_no_comparison(make_run: MakeRun, tmp_path: Path) -> None:
    run = make_run()
    with pytest.raises(ValueError, match=r"at least two runs, not 1 \(.* is named 2 times\): name more"):
        write_comparison([run, run / ".." / run.name], tmp_path / "page.html")


def test_a_result_from_before_the_end_of_training_is_not_comparable(make_run: MakeRun, tmp_path: Path) -> None:
    early, late = make_run("early"), make_run("late", settings={"seed": 1})  # the tables have 4 epochs
    change_result(late, progress=Progress(4, 4, finished=True))
    change_result(early, progress=Progress(2, 2, finished=True))
    first, second = load(early, late)
    assert (first.unfinished, second.unfinished) == ("2 of 4 epochs", "")
    stopped = make_run("stopped")
    change_result(stopped, progress=Progress(4, 9, finished=False))
    assert Run.load(stopped).unfinished == "4 of 9 epochs" and not Run.load(stopped).outdated
    page = write_comparison([early, late, make_run("other", settings={"epochs": 9})], tmp_path / "page.html")
    text = page.read_text("utf-8")
    assert "early was trained for 2 more epochs after this evaluation. Evaluate it again: taskscape evaluate" in text
    assert ">unfinished<" in text


def test_a_users_file_that_was_edited_between_two_runs_is_a_difference(make_run: MakeRun) -> None:
    a, b, c = (make_run(name, settings={"seed": seed}) for seed, name in enumerate("abc"))
    for run, text in ((a, "loss = 1"), (b, "loss = 2"), (c, "loss = 1")):
        (run / "code").mkdir()
        (run / "code" / "my.py").write_text(text)
    groups = group(load(a, b, c))
    assert [[run.name for run in g.runs] for g in groups] == [["a", "c"], ["b"]]
    (name, values), *others = differ(groups).besides.items()
    assert name == "code of my.py" and len(set(values)) == 2 and not others
    single = make_run("single", ("semseg",))
    (single / "code").mkdir()
    (single / "code" / "my.py").write_text("loss = 2")
    groups = group(load(a, b, make_run("without", settings={"weighting": {"type": "dwa"}}), single))
    assert [set(single_task_groups(g, groups)) for g in groups] == [set(), {"semseg"}, {"semseg"}, {"semseg"}]


def test_runs_from_different_weights_at_one_place_are_no_repetitions(make_run: MakeRun) -> None:
    start = {"start_from": "runs/base"}
    a, b = (make_run(name, settings={**start, "start_checksum": name * 64, "seed": ord(name)}) for name in "ab")
    assert differ(group(load(a, b))).compared == ["start checksum"]


def test_evaluations_with_different_maps_of_classes_are_not_comparable(make_run: MakeRun) -> None:
    a, b = make_run("a"), make_run("b", settings={"seed": 1})
    change_result(a, classes="wall:building")
    assert differ(group(load(a, b))).besides == {"evaluated on different maps of classes": ["wall:building", "by name"]}
    assert "Map of classes</dt><dd>wall:building" in write_report(a).read_text("utf-8")


def test_trackers_change_nothing(make_run: MakeRun) -> None:
    a, b = make_run("a", settings={"trackers": []}), make_run("b", settings={"trackers": ["wandb"], "seed": 1})
    assert len(group(load(a, b))) == 1


def test_unknown_training_data_are_not_taken_for_the_same(make_run: MakeRun) -> None:
    known, unknown = make_run("known"), make_run("unknown", settings={"weighting": {"type": "dwa"}})
    (known / "data.json").write_text('{"train": {"store": "x", "fingerprint": "0123456789abcdef"}}')
    assert differ(group(load(known, unknown))).besides == {"trained on different data": ["0123456789abcdef", "unknown"]}
    elsewhere = make_run("elsewhere", settings={"weighting": {"type": "dwa"}, "data": {"path": "there"}})
    assert "data: path" in differ(group(load(unknown, make_run("plain"), elsewhere))).besides


def test_tables_for_papers_have_means_deviations_and_delta_m(make_run: MakeRun, tmp_path: Path) -> None:
    tasks = ("semseg", "depth")
    runs = [make_run(task, (task,)) for task in tasks]
    runs += [make_run(f"a_b-{i}", tasks, settings={"seed": i}, scale=0.9 + 0.01 * i) for i in range(3)]
    latex = write_comparison(runs, tmp_path / "new" / "table.tex").read_text(encoding="utf-8")
    lines = latex.splitlines()
    assert lines[1] == r"\begin{tabular}{lrrrrr}"
    comments = lines[lines.index(r"\end{tabular}") + 1 :]
    assert comments[1].startswith("% Bold is a value that is better than those of all other experiments by more than")
    assert comments[0] == "% 5 runs of 3 experiments: mean ± standard deviation over seeds, on the split val."
    assert "% Seeds differ: semseg has 0; depth has 0; a_b has 0, 1, 2." in comments
    assert "% Δm, a_b: against segmentation: semseg, depth: depth; over mIoU (segmentation), Pixel accuracy" in latex
    assert all(line.startswith("% ") for line in comments)
    assert r"\multicolumn{2}{c}{Segmentation} & \multicolumn{2}{c}{Depth}" in latex
    assert r"& mIoU, \% $\uparrow$ & Pixel accuracy, \% $\uparrow$ & Absolute error, m $\downarrow$" in latex
    assert r"$\Delta$m, \% $\downarrow$" in latex
    (row,) = [line for line in lines if line.startswith("a\\_b")]
    assert row == r"a\_b ($\times$ 3) & 54.60 $\pm$ 0.60 & 81.90 $\pm$ 0.90 & \textbf{1.820} $\pm$ 0.020 & " + (
        r"\textbf{0.0910} $\pm$ 0.0010 & 0.00 $\pm$ 0.00 \\"
    )
    assert all(line.count(" & ") in (2, 5) for line in lines if line.endswith(r"\\") and not line.startswith("&"))

    markdown = write_comparison(runs, tmp_path / "table.md").read_text(encoding="utf-8").splitlines()
    assert markdown[1].startswith("|  | Segmentation: mIoU, % ↑ | Segmentation: Pixel accuracy, % ↑ | Depth: Abs")
    assert (
        "| a_b (× 3) | 54.60 ± 0.60 | 81.90 ± 0.90 | **1.820** ± 0.020 | **0.0910** ± 0.0010 | 0.00 ± 0.00 |"
        in markdown
    )
    end = markdown.index("")
    assert len({line.count("|") for line in markdown[1:end]}) == 1
    assert "<!-- Seeds differ: semseg has 0; depth has 0; a_b has 0, 1, 2. -->" in markdown[end:]


def test_the_table_for_programs_has_a_row_per_run(make_run: MakeRun, tmp_path: Path) -> None:
    runs = [make_run("depth", ("depth",)), make_run("x-0"), make_run("x-1", settings={"seed": 1}, scale=1.1)]
    with write_comparison(runs, tmp_path / "runs.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["experiment"], row["run"], row["seed"]) for row in rows] == [
        ("depth", "depth", "0"), ("x", "x-0", "0"), ("x", "x-1", "1"),
    ]  # fmt: skip
    assert rows[0]["semseg/miou"] == "" and float(rows[2]["semseg/miou"]) == pytest.approx(66)
    assert "semseg/iou/<b>kerb</b> & co" in rows[0] and "parameters" in rows[0] and "unfinished" not in rows[0]
    change_result(runs[2], progress=Progress(2, 4, finished=False))
    with write_comparison(runs, tmp_path / "runs.csv").open(encoding="utf-8", newline="") as file:
        assert [row["unfinished"] for row in csv.DictReader(file)] == ["", "", "2 of 4 epochs"]


def test_a_best_value_is_bold_and_names_are_escaped(make_run: MakeRun, tmp_path: Path) -> None:
    runs = [make_run(f"joint-{i}", ("semseg",), settings={"seed": i}, scale=1 + i / 1000) for i in range(2)]
    options = {"weighting": {"type": "dwa"}}
    runs += [
        make_run(f"100%|<b>_{i}", ("semseg",), settings={"seed": i, **options}, scale=1.2 + i / 1000) for i in range(2)
    ]
    latex = write_comparison(runs, tmp_path / "t.tex").read_text(encoding="utf-8")
    assert r"100\%|$<$b$>$ ($\times$ 2) & \textbf{72.03} $\pm$" in latex and latex.count("textbf") == 2
    markdown = write_comparison(runs, tmp_path / "t.md").read_text(encoding="utf-8")
    assert r"| 100%\|&lt;b&gt; (× 2) | **72.03** ±" in markdown


def test_a_file_of_another_kind_is_refused_before_runs_are_read(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"t.pdf ends in .pdf: end it in .html for a page, or in .csv, .md, .tex"):
        write_comparison(["nowhere", "there"], tmp_path / "t.pdf")
    assert start_of(Path("page")) == start_of(Path("PAGE.HTML")) == "<!doctype html"
