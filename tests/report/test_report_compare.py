import re
from collections.abc import Callable
from pathlib import Path

import pytest
from fake_runs import change_result

from taskscape.report import write_comparison
from taskscape.report.glossary import headlines
from taskscape.report.groups import baselines, differences, gain, group
from taskscape.report.run import Run

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
    assert first.mean("semseg/miou") == pytest.approx(66)
    assert first.mean("semseg/unknown") is None
    assert differences([first, second]) == {"epochs": ["4", "9"]}


def test_same_folder_names_are_told_apart(make_run: MakeRun) -> None:
    groups = group(load(make_run("a/run"), make_run("b/run", settings={"epochs": 9})))
    assert [g.name for g in groups] == ["a/run", "b/run"]


def test_a_task_that_is_not_learnt_differs_in_its_settings(make_run: MakeRun) -> None:
    groups = group(load(make_run("a"), make_run("b", ("semseg", "depth"))))
    assert differences(groups) == {"tasks.normals.is": ["normals", "–"]}


def test_gain_is_the_mean_relative_change_and_worse_is_positive(make_run: MakeRun) -> None:
    single = [make_run(task, (task,)) for task in ("semseg", "depth")]
    # Higher mIoU and accuracy by 10 % are better, higher errors by 10 % worse: with both tasks they cancel.
    both, semseg = make_run("both", ("semseg", "depth"), scale=1.1), make_run("more", scale=1.1)
    groups = group(load(*single, both, semseg))
    base = baselines(groups)
    assert set(base) == {"semseg", "depth"}
    assert gain(groups[0], base) is None and gain(groups[2], {}) is None
    found = gain(groups[2], base)
    assert found and found.percent == pytest.approx(0)
    assert found.metrics == ["semseg/miou", "semseg/pixel_accuracy", "depth/abs", "depth/rel"]
    better, worse = gain(groups[2], {"semseg": groups[0]}), gain(groups[2], {"depth": groups[1]})
    assert better and better.percent == pytest.approx(-10)
    assert worse and worse.percent == pytest.approx(10)


def test_depth_of_unknown_scale_is_compared_by_what_needs_none(make_run: MakeRun) -> None:
    path = make_run("depth", ("depth",))
    metrics = {"depth/si_log_rmse": 20.0, "depth/scaled_rel": 0.2, "depth/scaled_delta1": 70.0}
    change_result(path, metrics=metrics)
    both = make_run("both", ("semseg", "depth"))
    change_result(both, metrics={name: 1.1 * value for name, value in metrics.items()})
    groups = group(load(path, both))
    found = gain(groups[1], baselines(groups))
    assert found and found.metrics == ["depth/si_log_rmse", "depth/scaled_rel"]
    assert found.percent == pytest.approx(10)
    assert headlines(metrics) == ["depth/scaled_rel"]


def test_the_best_is_marked_by_direction(make_run: MakeRun, tmp_path: Path) -> None:
    low, high = make_run("low"), make_run("high", scale=1.5, settings={"epochs": 9})
    text = write_comparison([low, high], tmp_path / "page.html").read_text()
    assert re.search(r'Pixel accuracy.*?<td>90\.00</td><td class="best">135\.00</td>', text)
    assert re.search(r'Absolute error.*?<td class="best">2\.000</td><td>3\.000</td>', text)
    assert re.search(r"Parameters.*?<td>11\.2 M</td><td>11\.2 M</td>", text)  # equal: nobody is best
    assert "Δm" not in text


def test_seeds_are_a_mean_with_its_deviation(make_run: MakeRun, tmp_path: Path) -> None:
    runs = [make_run(f"r{i}", settings={"seed": i}, scale=1 + 0.1 * i) for i in range(3)]
    text = write_comparison([*runs, make_run("single", ("semseg",))], tmp_path / "page.html").read_text()
    assert "66.00 <small>± 6.00</small>" in text and "× 3" in text
    assert re.search(r'Δm.*?<span class="good">−10\.00</span>', text)


def test_two_confusions_are_subtracted(make_run: MakeRun, tmp_path: Path) -> None:
    before, after = make_run("before"), make_run("after", settings={"epochs": 9})
    change_result(after, figures={"semseg/confusion": [[99, 1, 0], [0, 20, 0], [0, 0, 0]]})
    text = write_comparison([before, after], tmp_path / "page.html").read_text()
    cells = re.findall(r"color:#\w+\">([+−]\d+)</td>", text)
    assert cells == ["+9", "−9", "−25", "+25"]


def test_other_images_are_warned_of(make_run: MakeRun, tmp_path: Path) -> None:
    one, other = make_run("one"), make_run("other", settings={"epochs": 9})
    change_result(other, images=7)
    assert "not measured on the same images" in write_comparison([one, other], tmp_path / "page.html").read_text()


def test_one_run_is_no_comparison(make_run: MakeRun, tmp_path: Path) -> None:
    run = make_run()
    with pytest.raises(ValueError, match="at least two runs"):
        write_comparison([run, run], tmp_path / "page.html")
