"""Image-blind baselines against results computed by hand."""

from pathlib import Path

import numpy as np
import pytest

from taskscape.batch import Sample
from taskscape.cli import main
from taskscape.data import Store, StoreWriter
from taskscape.evaluation import baseline
from taskscape.modalities import Depth, Normals, Semseg
from taskscape.modalities.class_sets import ClassSet

CLASSES = ClassSet("two", ("left", "right"), ((1, 2, 3), (4, 5, 6)))


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """Write two training images and one validation image of 1×4; the last pixel has no label in training."""
    semseg = [[0, 0, 1, 255], [0, 1, 1, 255], [0, 1, 1, 1]]
    depth = [[1, 2, 8, 0], [4, 2, 2, 0], [2, 2, 4, 2]]
    fields = {"semseg": Semseg(CLASSES), "depth": Depth(), "relative": Depth(metric=False), "normals": Normals()}
    writer = StoreWriter(tmp_path / "store", (1, 4), {"train": 2, "val": 1}, fields, {"kind": "test"})
    normals = np.zeros((1, 4, 3), np.float32)
    normals[..., 2] = -1
    for index, (ids, meters) in enumerate(zip(semseg, depth, strict=True)):
        classes, distance = np.array([ids]), np.array([meters], np.float32)
        image = np.full((1, 4, 3), 100 * index, np.uint8)
        values = {"image": image, "semseg": classes, "depth": distance, "relative": distance / 10, "normals": normals}
        far = distance > 0
        valid = {"semseg": classes != 255, "depth": far, "relative": far, "normals": np.ones((1, 4), bool)}
        split, row = ("train", index) if index < 2 else ("val", 0)
        writer.put(split, row, Sample(values, valid, str(index)))
    writer.finish()
    return tmp_path / "store"


def test_both_predictors_by_hand(store: Path) -> None:
    found = baseline(Store.open(store, "train"), Store.open(store, "val"))
    # Three pixels of each class: the first one wins. By position 0, 0 or 1 (the first), 1, and the constant at the end.
    assert found.constant["semseg/pixel_accuracy"] == 25
    assert found.by_position["semseg/pixel_accuracy"] == 50
    # The geometric mean of 1, 2, 8, 4, 2, 2 is 2^(8/6); by position 2, 2, 4, and the constant at the end.
    mean = 2 ** (8 / 6)
    assert found.constant["depth/abs_err"] == pytest.approx((3 * (mean - 2) + 4 - mean) / 4)
    assert found.by_position["depth/abs_err"] == pytest.approx((mean - 2) / 4)
    assert found.constant["normals/mean"] == found.by_position["normals/mean"] == pytest.approx(0, abs=1e-3)


def test_predictors_may_be_fitted_to_a_part_of_the_images(store: Path) -> None:
    found = baseline(Store.open(store, "train"), Store.open(store, "val"), most=1)
    mean = 2 ** (4 / 3)  # of 1, 2, 8 in the first image
    assert found.constant["depth/abs_err"] == pytest.approx((3 * (mean - 2) + 4 - mean) / 4)
    assert found.by_position["depth/abs_err"] == pytest.approx((1 + 0 + 4 + mean - 2) / 4)


def test_every_field_is_measured_by_what_its_modality_says(store: Path) -> None:
    found = baseline(Store.open(store, "train"), Store.open(store, "val"))
    assert found.constant.keys() <= found.specs.keys() and "grader" in found.constant
    # Relative depth has no errors in meters, and the same relative errors as metric depth that is ten times larger.
    assert "relative/abs_err" not in found.constant
    assert found.by_position["relative/si_log_rmse"] == pytest.approx(found.by_position["depth/si_log_rmse"], rel=1e-5)


def test_the_command_prints_both(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["data", "baseline", str(store)])
    printed = capsys.readouterr().out
    assert "semseg/pixel_accuracy" in printed and "25.00" in printed and "50.00" in printed
    assert "…" not in printed
    assert "semseg/miou" in printed and "inverse_abs_err" not in printed  # as in the tables of runs
