"""The page of a sweep: settings are sorted, averaged over seeds, and drawn."""

import csv
import json
from dataclasses import replace
from pathlib import Path

from taskscape.metrics.spec import MetricSpec
from taskscape.modalities import Semseg
from taskscape.modalities.class_sets import CITYSCAPES_2
from taskscape.report.sweep import SweepTable, SweptRun, write_sweep
from taskscape.run_folder import Result

MIOU = MetricSpec("mIoU", "%", "Overlap.", digits=2, higher_is_better=True, leads=True)


def swept(folder: Path, rate: str, seed: int, miou: float | None, loss: float) -> SweptRun:
    values = {"optimizer.lr": rate, "seed": str(seed)}
    curves = {"val/semseg/miou": [(1.0, 1.0), (2.0, miou or 0.0)], "val/loss/semseg": [(1.0, 2.0), (2.0, loss)]}
    command = f"taskscape train joint --optimizer.lr {rate} --seed {seed}"
    path = folder / "runs" / f"lr={rate},seed={seed}"
    if miou is None:
        return SweptRun(path, values, "failed", "<no room>", command, curves)
    result = Result(
        "val", 9, (16, 32), {"semseg": Semseg(CITYSCAPES_2)}, {"semseg/miou": miou}, {"semseg/miou": MIOU},
        cost={"seconds": 60.0}, baselines={"by position": {"semseg/miou": 9.0}},
    )  # fmt: skip
    return SweptRun(path, values, "finished", "", command, curves, result)


def test_a_sweep_says_what_is_best_and_draws_metrics_and_losses(tmp_path: Path) -> None:
    found = [("1e-3", 0, 30.0, 1.5), ("1e-3", 1, 34.0, 1.4), ("1e-2", 0, 40.0, 0.9), ("1e-2", 1, 41.0, 0.8)]
    runs = [swept(tmp_path, *one) for one in [*found, ("1e-1", 0, None, 9.0)]]
    table = SweepTable("rates", runs, ["optimizer.lr", "seed"], "semseg/miou", MIOU)
    text = write_sweep(table, tmp_path).read_text()
    best = json.loads((tmp_path / "results.json").read_text())["best"]
    assert best == {"run": "lr=1e-2,seed=0", "command": "taskscape train joint --optimizer.lr 1e-2 --seed 0"}
    assert "± 0.71 over 2 runs; 9.00 without the image" in text
    assert "40.50 <small>± 0.71</small>" in text and text.index("40.50 <small>") < text.index("32.00 <small>")
    assert "Validation loss, segmentation" in text and "optimizer: learning rate 1e-2 from 2 at 1 to 0.9 at 2" in text
    assert text.count("optimizer.lr") == 1, "only the command has the flag's name"
    assert "1 run without a result" in text and "&lt;no room&gt;" in text
    rows = list(csv.DictReader((tmp_path / "results.csv").open()))
    assert [row["semseg/miou"] for row in rows] == ["30.0", "34.0", "40.0", "41.0", ""]


def test_runs_with_different_monitors_are_ranked_by_the_first(tmp_path: Path) -> None:
    runs = [swept(tmp_path, "1e-3", 0, 30.0, 1.0), swept(tmp_path, "1e-2", 0, 40.0, 1.0)]
    said = "all are ranked by mIoU, the monitor of the first run"
    for axis, expected in (("monitor", True), ("optimizer.lr", False)):
        text = write_sweep(SweepTable("rates", runs, [axis], "semseg/miou", MIOU), tmp_path).read_text()
        assert (said in text) is expected


def test_means_over_different_seeds_are_named(tmp_path: Path) -> None:
    found = [("1e-3", 0, 30.0, 1.0), ("1e-3", 1, 34.0, 1.0), ("1e-2", 0, 40.0, 1.0), ("1e-2", 1, 30.0, 1.0)]

    def page(runs: list[SweptRun]) -> str:
        axes = ["optimizer.lr", "seed"]
        return write_sweep(SweepTable("rates", runs, axes, "semseg/miou", MIOU), tmp_path).read_text()

    runs = [swept(tmp_path, *one) for one in found]
    table = SweepTable("rates", runs, ["optimizer.lr", "seed"], "semseg/miou", MIOU)
    assert "4 runs over" in write_sweep(table, tmp_path).read_text()
    assert "4 of 6 runs over" in write_sweep(replace(table, planned=6), tmp_path).read_text()
    assert "same seeds" not in page(runs) and "same seeds" not in page(runs[::2])
    text = page([*runs[:3], swept(tmp_path, "1e-2", 1, None, 1.0)])
    assert "1 setting has no result for some seeds, so the means are not over the same seeds" in text
    assert "1 of 2 runs; 9.00 without the image" in text and "40.00 <small>(1 of 2)</small>" in text


def test_curves_of_many_settings_are_those_of_the_best(tmp_path: Path) -> None:
    for count, words in ((40, "one line per run."), (41, "one line per run of the 40 best settings.")):
        runs = [swept(tmp_path, f"1e-{rate}", 0, 30.0 + rate, 1.0) for rate in range(count)]
        table = SweepTable("rates", runs, ["optimizer.lr", "seed"], "semseg/miou", MIOU)
        assert words in write_sweep(table, tmp_path).read_text()


def test_a_sweep_of_runs_without_the_metric_that_ranks_them_says_so(tmp_path: Path) -> None:
    run = swept(tmp_path, "1e-3", 0, 30.0, 1.0)
    assert run.result is not None
    without = replace(run, result=replace(run.result, metrics={}))
    for runs, words in (([without], "No finished run has the metric mIoU."), ([], "No run is finished.")):
        assert words in write_sweep(SweepTable("rates", runs, ["seed"], "semseg/miou", MIOU), tmp_path).read_text()
    assert json.loads((tmp_path / "results.json").read_text())["best"] is None


def test_a_run_of_a_search_whose_folder_was_deleted_has_no_result(tmp_path: Path) -> None:
    deleted = SweptRun.read(tmp_path / "gone", {"optimizer.lr": "1"}, "finished", "", "taskscape train joint")
    table = SweepTable("rates", [deleted, swept(tmp_path, "1e-3", 0, 30.0, 1.5)], ["optimizer.lr"], "semseg/miou", MIOU)
    assert "gone: finished, its result was deleted" in write_sweep(table, tmp_path).read_text()


def test_a_users_file_that_was_edited_during_a_sweep_is_named(tmp_path: Path) -> None:
    runs = [swept(tmp_path, "1e-3", seed, 30.0, 1.5) for seed in range(3)]
    for versions, is_named in ((("a", "a", "a"), False), (("a", "a", "b"), True)):
        coded = [replace(one, code={"my.py": version}) for one, version in zip(runs, versions, strict=True)]
        text = write_sweep(SweepTable("rates", coded, ["seed"], "semseg/miou", MIOU), tmp_path).read_text()
        assert ("my.py: edited between runs of this sweep" in text) == is_named
