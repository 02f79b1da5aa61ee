from pathlib import Path

import pytest
from fake_runs import SPECS

from taskscape.report.charts import COLORS, color
from taskscape.report.curves import Curves, by_name, curve_charts, over_minutes, validation, when_validated
from taskscape.report.logged import read_curves, read_steps, thinned
from taskscape.report.sections.overview import headline
from taskscape.run_folder import RunFolder, RunLogger


def test_columns_of_metrics_have_the_titles_of_the_result() -> None:
    curves = {f"val/{name}": [(1.0, 5.0)] for name in ("depth/si_log_rmse", "semseg/iou/road", "depth/abs_rel")}
    assert list(validation(curves, SPECS)) == ["depth/abs_rel", "depth/si_log_rmse"]  # the leading one is first
    text = curve_charts(Curves(curves, SPECS))
    first, _, closed = text.partition("All other curves")
    assert "Relative error" in first and "last 5.0000" in first and "SI-logRMSE" in closed and "road" not in text


def test_a_column_that_nothing_describes_is_drawn_by_its_name() -> None:
    assert "odd column" in curve_charts(Curves({"odd column": [(1.0, 5.0)]}, SPECS))


def test_stages_of_a_loss_share_a_chart() -> None:
    columns = ["train/loss/depth", "val/loss/depth", "val/depth/rmse", "train/loss/a/b"]
    assert by_name(columns, "loss") == {"depth": ["train/loss/depth", "val/loss/depth"], "a/b": ["train/loss/a/b"]}
    text = curve_charts(Curves({c: [(1.0, 5.0), (2.0, 4.0)] for c in columns[:2]}, SPECS))
    assert text.count("<figure") == 1 and "training from 5 at 1 to 4 at 2; validation from 5" in text


def test_the_page_says_after_which_epochs_a_run_was_validated() -> None:
    def said(*validated: float) -> str:
        columns = {"train/loss/depth": [(float(epoch), 1.0) for epoch in (1, 2, 3, 4)]}
        return when_validated(columns | {"val/loss/depth": [(epoch, 1.0) for epoch in validated]})

    assert said(1, 2, 3, 4) == "Validation after every epoch."
    assert said(4) == "Validation after the last epoch."
    assert said(2, 4) == "Validation after 2 of 4 epochs."


def test_a_run_of_one_epoch_is_drawn_from_its_steps(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    logger = RunLogger(folder)
    for step in range(1, 501):
        logger.log_step(step, {"step/loss/depth": 1 / step, "step/lr": 1e-3 * step / 500})
    logger.log_epoch(1, 500, {"lr": 1e-3, "train/loss/depth": 0.5, "val/depth/abs_rel": 0.3})
    logger.close()
    steps = read_steps(folder, 500)
    assert steps.keys() == {"loss/depth", "lr"}
    assert 100 <= len(steps["lr"]) <= 200 and steps["lr"][-1] == pytest.approx((1.0, 1e-3)) and steps["lr"][0][0] < 0.01
    text = curve_charts(Curves(read_curves(folder), SPECS, steps))
    assert "each step" in text and "Learning rate" in text
    assert text.count("L") > 300  # the lines have the points of steps


def test_thinning_keeps_the_mean() -> None:
    curve = [(float(x), float(x % 7)) for x in range(1400)]
    thin = thinned(curve)
    assert len(thin) <= 200 and thin[-1] == curve[-1] and all(abs(y - 3) < 1 for _, y in thin[:-1])
    assert thinned(curve[:50]) == curve[:50]


def test_a_metric_over_the_time_that_training_took() -> None:
    curves = {"seconds": [(1.0, 60.0), (2.0, 120.0)], "val/a": [(1.0, 5.0), (2.0, 6.0), (3.0, 7.0)]}
    assert over_minutes(curves, "val/a") == [(1.0, 5.0), (2.0, 6.0)]
    assert over_minutes({}, "val/a") == []


def test_training_metrics_and_the_blind_predictor_stand_beside_validation() -> None:
    line = [(1.0, 0.5), (2.0, 0.4)]
    curves = Curves({"val/depth/abs_rel": line, "train/depth/abs_rel": line}, SPECS, blind={"depth/abs_rel": 0.45})
    text = curve_charts(curves)
    assert text.count("<figure") == 1 and "training images" in text and "without the image" in text


def test_cells_without_a_finite_number_are_left_out(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.metrics.write_text("epoch,step,lr,odd\n1,10,nan,x\n2,20,0.5,\n3,30\n")
    assert read_curves(folder) == {
        "epoch": [(1, 1), (2, 2), (3, 3)], "step": [(1, 10), (2, 20), (3, 30)], "lr": [(2, 0.5)]
    }  # fmt: skip


def test_a_setting_in_a_word_or_two() -> None:
    assert headline({"type": "deeplab-joint", "rates": [3, 6], "encoder": "resnet18"}) == "deeplab-joint, resnet18"
    assert headline({"type": "fixed", "weights": {}}) == "fixed"
    assert headline({"type": "wide", "encoder": {"type": "x"}}) == "wide"
    assert [headline(value) for value in ("text", 4, None, {"folder": "a"}, {})] == ["text", "4", "none", "a", ""]


def test_every_series_has_a_color_of_its_own() -> None:
    assert [color(i) for i in range(len(COLORS))] == list(COLORS)
    assert len({color(i) for i in range(60)}) == 60
    many = {f"train/loss/task{i}": [(1.0, 5.0), (2.0, 4.0)] for i in range(12)}
    assert curve_charts(Curves(many, SPECS)).count("<figure") == 12
