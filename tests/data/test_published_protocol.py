"""Tasks and metrics as in published tables: MTAN's depth quantity, zoom rules, means over batches."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from raw_files import cityscapes
from torch import Tensor

from taskscape import modalities
from taskscape.batch import Target
from taskscape.data import Augmentation, Loader, Store
from taskscape.data.augment import draw
from taskscape.data.prepare import prepare
from taskscape.data.readers.cityscapes import Cityscapes
from taskscape.metrics import NormalsMetrics, SegmentationMetrics
from taskscape.modalities.depth import METERS_AT_DISPARITY_1
from taskscape.serialization import dump, parse
from taskscape.tasks import Depth, ScaleRule, SurfaceNormals, Task

CPU = torch.device("cpu")
MTAN = Depth(quantity="mtan-cityscapes")


def meters_of(p: list[int]) -> Tensor:
    return METERS_AT_DISPARITY_1 / ((torch.tensor(p, dtype=torch.float64) - 1) / 65536).view(1, 1, 1, -1)


def perfect(task: Depth, meters: Tensor) -> dict[str, float]:
    """Return the metrics of a raw output that equals the represented label."""
    target = task.target(Target(meters, torch.ones(1, 1, meters.shape[-1], dtype=torch.bool)), modalities.Depth())
    metrics = task.metrics()
    metrics.update(task.decode(task.encode(target.value)), target.value, target.valid)
    return metrics.compute()


@pytest.mark.parametrize(
    "task",
    [MTAN, Depth(), Depth("inverse"), Depth("meters"), Depth(min_depth=2.0, max_depth=80.0, metrics_per_batch=True)],
)
def test_a_perfect_prediction_scores_perfectly_however_far_or_near(task: Depth) -> None:
    for name, value in perfect(task, meters_of([2, 3, 40, 5000, 32258, 60000])).items():
        assert value == pytest.approx(100.0 if "delta" in name else 0.0, abs=1e-10), name


def test_the_quantity_of_mtan() -> None:
    q = torch.tensor([1 / 65536, 0.25, 0.4922, 0.7], dtype=torch.float64).view(1, 1, 1, 4)
    meters = METERS_AT_DISPARITY_1 / q
    learned = [1 / 65536, 0.25, 0.4922, 0.4922]  # clipped
    assert MTAN.encode(meters).flatten().tolist() == pytest.approx(learned, rel=1e-12)
    target = MTAN.target(Target(meters, torch.ones(1, 1, 4, dtype=torch.bool)), modalities.Depth())
    metrics = MTAN.metrics()
    metrics.update(MTAN.decode(torch.tensor([0.0, 0.5, 0.4, 0.3], dtype=torch.float64).view(1, 1, 1, 4)), *target)
    predicted = np.array([1 / 65536, 0.4922, 0.4, 0.3])
    found = metrics.compute()
    assert found["inverse_abs_err"] == pytest.approx(np.abs(predicted - learned).mean(), rel=1e-12)
    assert found["inverse_abs_rel"] == pytest.approx((np.abs(predicted - learned) / learned).mean(), rel=1e-12)
    assert [name for name, spec in metrics.specs.items() if spec.in_delta_m] == ["inverse_abs_err", "inverse_abs_rel"]
    assert [name for name, spec in metrics.specs.items() if spec.leads] == ["inverse_abs_rel"]
    assert MTAN.for_values(lambda: np.array([4.0, 90.0]))[0] == MTAN
    assert parse(dump(MTAN), "task.yaml", Depth) == MTAN
    with pytest.raises(ValueError, match=r"max_depth is 80\.0, which the quantity mtan-cityscapes fixes"):
        Depth(quantity="mtan-cityscapes", max_depth=80.0)


def test_raw_cityscapes_gives_the_quantity_whatever_the_camera(tmp_path: Path) -> None:
    arrays = cityscapes(tmp_path / "raw", cameras=True, train=3, val=2)
    prepare(Cityscapes(size=(8, 16), partial=True), tmp_path / "raw", tmp_path / "store", processes=1)
    for split in ("train", "val"):
        store = Store.open(tmp_path / "store", split)
        batch = Loader(store, {"depth": MTAN}, len(store), CPU).batch(np.arange(len(store)))
        q, valid = MTAN.encode(batch.targets["depth"].value)[:, 0].numpy(), batch.targets["depth"].valid.numpy()
        for index, name in enumerate(store.names):
            p = arrays[f"{split}/{name}"]["disparity"].astype(np.float64)
            assert np.array_equal(valid[index], p > 1)
            expected = np.minimum((p - 1) / 65536, 0.4922)
            assert q[index][p > 1] == pytest.approx(expected[p > 1], rel=1e-5)


def zoomed(task: Depth, store: Store) -> tuple[Tensor, Tensor]:
    """Return the depth of images zoomed by 2, and the depth that a camera would have measured."""
    loader = Loader(store, {"depth": task}, 2, CPU, augmentation=Augmentation(scale_choices=(2.0,)))
    plain = Loader(store, {"depth": Depth()}, 2, CPU, augmentation=Augmentation(scale_choices=(2.0,)))
    assert plain.augmentation is not None
    assert plain.augmentation.zoom(draw(0, 0, [0, 1])).tolist() == [2, 2]
    batches = (of.batch(np.arange(2)) for of in (loader, plain))
    learned, physical = (batch.targets["depth"].value for batch in batches)
    return learned, physical


@pytest.mark.parametrize(
    ("rule", "representation", "factor"),
    [
        ("physical", "log", 1), ("physical", "inverse", 1), ("divide", "meters", 1), ("divide", "inverse", 4),
        ("keep", "meters", 2), ("keep", "inverse", 2),
    ],
)  # fmt: skip
def test_rules_of_scale(tmp_path: Path, rule: ScaleRule, representation: Any, factor: float) -> None:
    cityscapes(tmp_path / "raw", train=2, val=2)
    prepare(Cityscapes(size=(8, 16), partial=True), tmp_path / "raw", tmp_path / "store", processes=1)
    wide: dict[str, Any] = {"min_depth": 1e-3, "max_depth": 1e9}
    task = Depth(representation, scale_rule=rule, **wide)
    value, physical = zoomed(task, Store.open(tmp_path / "store", "train"))
    inside = (physical > 0.5) & (physical < 300)
    torch.testing.assert_close(value[inside], factor * physical[inside])


def two_batches(task: Task, values: list[list[float]], true: list[list[float]]) -> dict[str, float]:
    metrics = task.metrics()
    for y, t in zip(values, true, strict=True):
        value = torch.tensor(t, dtype=torch.float64).view(1, 1, 1, -1)
        metrics.update(torch.tensor(y, dtype=torch.float64).view(1, 1, 1, -1), value, (value > 0)[:, 0])
    return metrics.compute()


def test_depth_averaged_over_batches_by_hand() -> None:
    task = Depth(metrics_per_batch=True)
    found = two_batches(task, [[3.0, 5.0, 9.0], [8.0, 1.0], [1.0]], [[2.0, 4.0, 0.0], [10.0, 0.0], [0.0]])
    assert found["abs_err"] == pytest.approx(4 / 3) and found["abs_err_per_batch"] == pytest.approx((1 + 2) / 2)
    assert found["abs_rel_per_batch"] == pytest.approx(((0.5 + 0.25) / 2 + 0.2) / 2)
    assert found["inverse_abs_err_per_batch"] == pytest.approx(((1 / 6 + 1 / 20) / 2 + 1 / 40) / 2)
    assert "abs_err_per_batch" not in Depth().metrics().specs


def test_normals_averaged_over_batches_by_hand() -> None:
    metrics = SurfaceNormals(metrics_per_batch=True).metrics()
    assert isinstance(metrics, NormalsMetrics)
    ahead = torch.tensor([0.0, 0.0, 1.0], dtype=torch.float64)
    for degrees in ([10.0, 20.0, 60.0], [40.0], []):
        angle = torch.tensor(degrees, dtype=torch.float64).deg2rad()
        vectors = torch.stack([angle.sin(), 0 * angle, angle.cos()])[None, :, None]
        metrics.update(vectors, ahead[None, :, None, None].expand_as(vectors))
    found = metrics.compute()
    assert found["mean"] == pytest.approx(32.5) and found["mean_per_batch"] == pytest.approx((30 + 40) / 2)
    assert found["median_per_batch"] == pytest.approx((20 + 40) / 2, abs=0.01)
    assert found["within_22.5_per_batch"] == pytest.approx(100 * (2 / 3 + 0) / 2)


def test_pixel_accuracy_per_image_by_hand() -> None:
    metrics = SegmentationMetrics(("a", "b"))
    prediction = torch.tensor([[[0, 1, 1, 1]], [[0, 0, 0, 0]], [[1, 1, 1, 1]]])
    labels = torch.tensor([[[0, 1, 0, 255]], [[1, 0, 255, 255]], [[255, 255, 255, 255]]])
    metrics.update(prediction, labels)
    found = metrics.compute()
    assert found["pixel_accuracy"] == pytest.approx(100 * 3 / 5)
    assert found["pixel_accuracy_per_image"] == pytest.approx(100 * (2 / 3 + 1 / 2) / 2)
