import re
from collections.abc import Callable
from pathlib import Path

import pytest
from fake_runs import MODALITIES, change_result

from taskscape.metrics import DepthMetrics
from taskscape.modalities import Depth
from taskscape.report import write_comparison
from taskscape.report.glossary import leading
from taskscape.report.groups import delta_m_of, differences, group, single_task_groups
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
    assert first.means["semseg/miou"] == pytest.approx(66)
    assert "semseg/unknown" not in first.means and first.values("semseg/unknown") == []
    assert differences([first, second]) == {"epochs": ["4", "9"]}


def test_same_folder_names_are_told_apart(make_run: MakeRun) -> None:
    groups = group(load(make_run("a/run"), make_run("b/run", settings={"epochs": 9})))
    assert [g.name for g in groups] == ["a/run", "b/run"]


def test_a_task_that_is_missing_differs_in_its_type_only(make_run: MakeRun) -> None:
    groups = group(load(make_run("a"), make_run("b", ("semseg", "depth"))))
    assert differences(groups) == {"tasks.normals.type": ["normals", "–"]}


def test_delta_m_is_the_mean_relative_change_and_worse_is_positive(make_run: MakeRun) -> None:
    single = [make_run(task, (task,)) for task in ("semseg", "depth")]
    # Higher mIoU and accuracy by 10 % are better, higher errors by 10 % worse: with both tasks they cancel.
    both, more = make_run("both", ("semseg", "depth"), scale=1.1), make_run("more", scale=1.1)
    groups = group(load(*single, both, more))
    base = single_task_groups(groups)
    assert set(base) == {"semseg", "depth"}
    assert delta_m_of(groups[0], base) is None and delta_m_of(groups[2], {}) is None
    for joint in groups[2:]:  # normals have no single-task run here
        change = delta_m_of(joint, base)
        assert change and change.percent == pytest.approx(0)
        assert change.metrics == ("semseg/miou", "semseg/pixel_accuracy", "depth/abs_err", "depth/abs_rel")
    better, worse = delta_m_of(groups[2], {"semseg": groups[0]}), delta_m_of(groups[2], {"depth": groups[1]})
    assert better and better.percent == pytest.approx(-10)
    assert worse and worse.percent == pytest.approx(10)


def test_single_task_runs_of_several_seeds_are_averaged_before_the_change(make_run: MakeRun) -> None:
    singles = [make_run(f"single{i}", ("semseg",), settings={"seed": i}, scale=1 + 0.2 * i) for i in range(2)]
    groups = group(load(*singles, make_run("both", ("semseg", "depth"), scale=1.1)))
    change = delta_m_of(groups[1], single_task_groups(groups))
    assert change and change.percent == pytest.approx(0)


def test_relative_depth_is_compared_by_metrics_without_a_scale(make_run: MakeRun) -> None:
    single, both = make_run("depth", ("depth",)), make_run("both", ("semseg", "depth"))
    metrics = {"depth/si_log_rmse": 20.0, "depth/median_scaled_abs_rel": 0.2, "depth/median_scaled_delta1": 70.0}
    specs = {f"depth/{name}": spec for name, spec in DepthMetrics(metric=False).specs.items()}
    relative = Depth(metric=False)
    change_result(single, metrics=metrics, specs=specs, tasks={"depth": relative})
    worse = {name: 1.1 * value for name, value in metrics.items()}
    change_result(both, metrics=worse, specs=specs, tasks={"semseg": MODALITIES["semseg"], "depth": relative})
    groups = group(load(single, both))
    change = delta_m_of(groups[1], single_task_groups(groups))
    assert change and change.metrics == ("depth/si_log_rmse", "depth/median_scaled_abs_rel")
    assert change.percent == pytest.approx(10)
    assert leading(metrics, specs) == ["depth/si_log_rmse"]


def test_the_best_is_marked_by_direction(make_run: MakeRun, tmp_path: Path) -> None:
    low, high = make_run("low"), make_run("high", scale=1.5, settings={"epochs": 9})
    text = write_comparison([low, high], tmp_path / "page.html").read_text()
    assert re.search(r'Pixel accuracy.*?<td>90\.00</td><td class="best">135\.00</td>', text)
    assert re.search(r'Absolute error.*?<td class="best">2\.000</td><td>3\.000</td>', text)
    assert re.search(r"Parameters.*?<td>11\.2 M</td><td>11\.2 M</td>", text)  # equal: nobody is best
    assert "Δm" not in text


def test_several_seeds_are_a_mean_with_its_standard_deviation(make_run: MakeRun, tmp_path: Path) -> None:
    runs = [make_run(f"r{i}", settings={"seed": i}, scale=1 + 0.1 * i) for i in range(3)]
    text = write_comparison([*runs, make_run("single", ("semseg",))], tmp_path / "page.html").read_text()
    assert "66.00 <small>± 6.00</small>" in text and "× 3" in text
    assert re.search(r'Δm.*?<span class="good">−10\.00</span>', text)


def test_two_confusions_are_subtracted(make_run: MakeRun, tmp_path: Path) -> None:
    before, after = make_run("before"), make_run("after", settings={"epochs": 9})
    change_result(after, plots={"semseg/confusion": [[99, 1, 0], [0, 20, 0], [0, 0, 0]]})
    text = write_comparison([before, after], tmp_path / "page.html").read_text()
    cells = re.findall(r"color:#\w+\">([+−]\d+)</td>", text)
    assert cells == ["+9", "−9", "−25", "+25"]


def test_results_per_class_are_compared_with_the_first_group(make_run: MakeRun, tmp_path: Path) -> None:
    before, after = make_run("before"), make_run("after", scale=0.9, settings={"epochs": 9})
    text = write_comparison([before, after], tmp_path / "page.html").read_text()
    assert re.search(
        r"semseg/iou, %.*?>road<.*?<td class=\"best\">50\.0</td><td>45\.0 <small class=\"worse\">−5\.0<", text
    )


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
    assert "parts/iou, %" in text and 'class="matrix"' in text and "semseg/" not in text


def test_a_warning_where_images_differ(make_run: MakeRun, tmp_path: Path) -> None:
    one, other = make_run("one"), make_run("other", settings={"epochs": 9})
    change_result(other, images=7)
    assert "not evaluated on the same images" in write_comparison([one, other], tmp_path / "page.html").read_text()


def test_one_run_is_no_comparison(make_run: MakeRun, tmp_path: Path) -> None:
    run = make_run()
    with pytest.raises(ValueError, match="at least two runs"):
        write_comparison([run, run], tmp_path / "page.html")
