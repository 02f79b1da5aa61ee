from pathlib import Path

from fake_runs import SPECS

from taskscape.report.curves import curve_charts, losses, validation
from taskscape.report.run import headline, read_curves
from taskscape.run_folder import RunFolder


def test_columns_of_metrics_have_the_titles_of_the_result() -> None:
    curves = {f"val/{name}": [(1.0, 5.0)] for name in ("depth/si_log_rmse", "semseg/iou/road", "depth/abs_rel")}
    assert list(validation(curves, SPECS)) == ["depth/abs_rel", "depth/si_log_rmse"]  # the leading one is first
    text = curve_charts(curves, SPECS)
    first, _, closed = text.partition("Every other curve")
    assert "Relative error" in first and "last 5.0000" in first and "SI-logRMSE" in closed and "road" not in text


def test_a_column_that_nothing_describes_is_drawn_by_its_name() -> None:
    assert "odd column" in curve_charts({"odd column": [(1.0, 5.0)]}, SPECS)


def test_stages_of_a_loss_share_a_chart() -> None:
    columns = ["train/loss/depth", "val/loss/depth", "val/depth/rmse", "train/loss/a/b"]
    assert losses(columns) == {"depth": ["train/loss/depth", "val/loss/depth"], "a/b": ["train/loss/a/b"]}
    assert curve_charts({c: [(1.0, 5.0), (2.0, 4.0)] for c in columns[:2]}, SPECS).count("<figure") == 1


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
    assert [headline(value) for value in ("text", 4, None, {"folder": "a"}, {})] == ["text", "4", "null", "a", ""]
