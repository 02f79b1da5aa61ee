"""Evaluation of networks with any tasks, and the choice of the best epoch."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from types import SimpleNamespace
from typing import Any, ClassVar, Self

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from typing_extensions import override

from taskscape.batch import Batch, Target
from taskscape.evaluation import Evaluation, Evaluator, LossMeans, calibrate, collect_samples, evaluate, seconds_of
from taskscape.losses import L1, Loss
from taskscape.metrics import JOINT, DepthMetrics, MetricSpec, TaskMetric
from taskscape.modalities import Modality
from taskscape.modalities.class_sets import CITYSCAPES_2
from taskscape.models import Outputs
from taskscape.runs.account import mark_required, parts
from taskscape.tasks import Depth, SemanticSegmentation, Task
from taskscape.training.selection import BestEpoch, declared_metrics


@dataclass(frozen=True)
class Glow(Modality):
    """A fraction per pixel, without a channel axis."""

    name: ClassVar[str] = "glow"
    dtype: ClassVar[str] = "float32"
    sentinel: ClassVar[int | None] = None

    @property
    @override
    def unit(self) -> str:
        return "fraction"

    @override
    def check(self, values: np.ndarray) -> None: ...

    @override
    def unpack(self, stored: Tensor) -> Target:
        return Target(stored, torch.ones_like(stored, dtype=torch.bool))


class GlowMetrics(TaskMetric):
    def __init__(self, extra: bool = False) -> None:
        super().__init__()
        self.extra = extra
        self.add_state("sums", torch.zeros(2, dtype=torch.float64), dist_reduce_fx="sum")

    @property
    @override
    def specs(self) -> Mapping[str, MetricSpec]:
        return {"mae": MetricSpec("MAE", leads=True), "never": MetricSpec("never")}

    @override
    def update(self, prediction: Tensor, value: Tensor, valid: Tensor) -> None:
        self.sums += torch.stack([(prediction - value).abs()[valid].double().sum(), valid.sum().double()])

    @override
    def compute(self) -> dict[str, float]:
        return {"mae": float(self.sums[0] / self.sums[1])} | ({"other": 1.0} if self.extra else {})

    @override
    def plots(self) -> dict[str, list[float]]:
        return {"sums": self.sums.tolist()}


@dataclass(frozen=True)
class GlowTask(Task):
    name: ClassVar[str] = "glow"

    loss: Loss = field(default_factory=L1)
    source: str | None = None
    extra: bool = False

    @property
    @override
    def modality(self) -> Glow:
        return Glow()

    @property
    @override
    def channels(self) -> int:
        return 1

    @override
    def for_data(self, field: str, modality: Modality) -> Self:
        return self

    @override
    def decode(self, raw: Tensor) -> Tensor:
        return raw[:, 0].sigmoid()

    @override
    def metrics(self) -> TaskMetric:
        return GlowMetrics(self.extra)


CPU = torch.device("cpu")


def batches(count: int) -> list[Batch]:
    g = torch.Generator().manual_seed(0)
    everywhere = torch.ones(2, 4, 6, dtype=torch.bool)

    def batch() -> Batch:
        target = Target(torch.rand(2, 4, 6, generator=g), everywhere)
        return Batch(torch.rand(2, 3, 4, 6, generator=g), {"a": target}, torch.arange(2))

    return [batch() for _ in range(count)]


def red(image: Tensor) -> Outputs:
    return Outputs({"a": image[:, :1].logit()}, {}, ())


def test_a_task_of_one_s_own_is_measured() -> None:
    data = batches(3)
    found = evaluate(red, {"a": GlowTask()}, data, "cpu")
    errors = torch.cat([(batch.image[:, 0] - batch.targets["a"].value).abs() for batch in data])
    assert found.metrics == {"a/mae": pytest.approx(errors.mean().item())}
    assert list(found.specs) == ["a/mae", "a/never"] and found.plots["a/sums"][1] == 144
    assert found.images == 6 and found.seconds_per_image > 0


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_outputs_that_are_not_finite_are_refused(value: float) -> None:
    """Decoding would hide them: a sigmoid maps infinity to 1, a maximum over classes treats NaN as the largest."""

    def broken(image: Tensor) -> Outputs:
        raw = image[:, :1].logit()
        raw[0, 0, 2, 3] = value
        return Outputs({"a": raw}, {}, ())

    with pytest.raises(ValueError, match=r"NaN or infinity \(a in 3 of 6 images\), so its metrics .*--optimizer.lr"):
        evaluate(broken, {"a": GlowTask()}, batches(3), CPU)


def test_the_time_per_image_leaves_out_the_first_of_several_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr("taskscape.evaluation.evaluator.now", lambda device: clock[0])
    seconds = iter([60.0, 1.0, 2.0, 60.0])

    def slow(image: Tensor) -> Outputs:
        clock[0] += next(seconds)
        return red(image)

    assert evaluate(slow, {"a": GlowTask()}, batches(3), CPU).seconds_per_image == pytest.approx(3.0 / 4)
    assert evaluate(slow, {"a": GlowTask()}, batches(1), CPU).seconds_per_image == pytest.approx(60.0 / 2)


def test_the_loss_of_a_split_is_the_mean_over_its_batches_with_labels() -> None:
    """As the loss of a training epoch is: a batch with few labels counts as much as one with many."""
    data, counts = batches(3), (48, 1, 0)
    means, expected = LossMeans({"a": GlowTask()}), []
    for batch, count in zip(data, counts, strict=True):
        value, valid = batch.targets["a"].value.unsqueeze(1), (torch.arange(48) < count).view(2, 4, 6)
        outputs = red(batch.image)
        means.update(batch._replace(targets={"a": Target(value, valid)}), outputs)
        if count:
            expected.append((outputs.final["a"] - value).abs()[valid.unsqueeze(1)].mean())
    assert means.compute(CPU) == {"a": pytest.approx(torch.stack(expected).mean().item(), rel=1e-6)}


def test_a_metric_without_a_spec_is_an_error() -> None:
    with pytest.raises(ValueError, match="GlowMetrics, the metric of task a, computes other without a spec"):
        evaluate(red, {"a": GlowTask(extra=True)}, batches(1), CPU)


def test_samples_have_the_form_of_their_modality() -> None:
    (batch,) = batches(1)
    samples = collect_samples(red, {"a": GlowTask()}, batch)
    assert samples["image"].shape == (2, 4, 6, 3) and samples["image"].dtype == np.uint8
    assert samples["a/valid"].shape == (2, 4, 6) and samples["a/valid"].all()
    for part, expected in (("label", batch.targets["a"].value), ("prediction", batch.image[:, 0])):
        assert samples[f"a/{part}"].dtype == np.float32  # three axes, but not ids
        np.testing.assert_allclose(samples[f"a/{part}"], expected, atol=1e-6)


TASKS: Mapping[str, Task] = {"semseg": SemanticSegmentation(CITYSCAPES_2), "depth": Depth()}


def evaluation(**metrics: float) -> Evaluation:
    named = {name.replace("__", "/"): value for name, value in metrics.items()}
    return Evaluation(named, declared_metrics(TASKS), {}, 1, 0.0)


def test_the_leading_metric_of_the_first_task_chooses() -> None:
    best = BestEpoch(TASKS)
    values = [(30.0, 9.0), (40.0, 10.0), (35.0, 1.0), (40.0, 0.0)]
    better = [best.update(evaluation(semseg__miou=miou, depth__abs_rel=error)) for miou, error in values]
    assert better == [True, True, False, False] and best.value == 40
    assert list(best.headline(evaluation(depth__abs_rel=1.0, semseg__miou=2.0, depth__abs_err=3.0))) == [
        "semseg/miou",
        "depth/abs_rel",
    ]


def test_a_task_without_labels_does_not_choose() -> None:
    best = BestEpoch(TASKS)
    assert best.update(evaluation(depth__abs_rel=9.0)) and best.update(evaluation(depth__abs_rel=8.0))
    with pytest.raises(ValueError, match=r"validation gives no semseg/miou or depth/abs_rel.*depth/abs_err"):
        BestEpoch(TASKS).update(evaluation(depth__abs_err=1.0))


def test_epochs_are_compared_by_one_metric_even_if_it_is_missing_once() -> None:
    best = BestEpoch(TASKS)
    assert best.update(evaluation(semseg__miou=30.0, depth__abs_rel=9.0))
    assert not best.update(evaluation(depth__abs_rel=8.0)) and not best.update(evaluation(depth__abs_err=1.0))
    assert (best.name, best.value, best.epochs_since) == ("semseg/miou", 30.0, 2)
    assert best.update(evaluation(semseg__miou=31.0))
    second = BestEpoch(TASKS)
    assert second.update(evaluation(depth__abs_rel=9.0))
    assert not second.update(evaluation(semseg__miou=90.0, depth__abs_rel=9.5)) and second.name == "depth/abs_rel"


def test_depth_in_meters_is_chosen_by_a_metric_that_sees_the_scale() -> None:
    """An untrained network with a wrong scale may have the better relative error."""
    leading = {metric: BestEpoch({"depth": Depth(metric=metric)}).candidates for metric in (True, False)}
    assert leading == {True: ["depth/abs_rel"], False: ["depth/si_log_rmse"]}


@pytest.mark.parametrize(("monitor", "sign"), [("depth/abs_err", -1), ("depth/delta1", 1), ("grader", 1)])
def test_the_monitored_metric_has_its_own_direction(monitor: str, sign: int) -> None:
    best = BestEpoch(TASKS, monitor)
    name = monitor.replace("/", "__")
    assert best.update(evaluation(**{name: 0.5}))
    assert not best.update(evaluation(**{name: 0.5 - sign * 0.1}))
    assert best.update(evaluation(**{name: 0.5 + sign * 0.1}))


def test_a_metric_that_nobody_declares_is_refused() -> None:
    with pytest.raises(ValueError, match=r"monitor is 'semseg/mIoU'.*did you mean semseg/miou\?"):
        BestEpoch(TASKS, "semseg/mIoU")
    with pytest.raises(ValueError, match="monitor is 'grader'"):
        BestEpoch({"depth": Depth()}, "grader")  # which needs a segmentation too
    assert {joint.name for joint in JOINT} <= declared_metrics(TASKS).keys()


# -- results besides the metrics ---------------------------------------------------------------------------------------


def test_calls_that_are_timed_take_turns() -> None:
    order: list[str] = []
    seconds = seconds_of({name: partial(order.append, name) for name in "ab"}, torch.device("cpu"), rounds=2, warm_up=1)
    assert "".join(order) == "ababab" and seconds.keys() == {"a", "b"} and min(seconds.values()) >= 0


def test_parts_of_a_network_add_up() -> None:
    network: Any = nn.Module()
    network.encoder, network.decoders = nn.Linear(2, 2), nn.ModuleDict({"semseg": nn.Linear(2, 3)})
    network.again, network.scale = network.encoder, nn.Parameter(torch.ones(5))
    assert parts(network) == {"encoder": 6, "decoders.semseg": 9, "other": 5}


def test_optional_metrics_are_shown_where_they_are_asked_for() -> None:
    shown = {name for name, spec in DepthMetrics().specs.items() if not spec.optional}
    assert "abs_rel" in shown and not {"inverse_abs_rel", "median_scaled_delta1"} & shown
    assert not DepthMetrics(inverse_unit=1.8).specs["inverse_abs_rel"].optional
    assert not any(spec.optional for spec in DepthMetrics(metric=False).specs.values())
    specs = declared_metrics(TASKS)
    streets, miniscapes = (_store_of(kind) for kind in ("streets", "miniscapes"))
    assert specs["grader"].optional and mark_required(specs, None, streets)["grader"].optional
    assert not mark_required(specs, "grader", streets)["grader"].optional
    assert not mark_required(specs, None, miniscapes)["grader"].optional


def _store_of(kind: str) -> Any:
    return SimpleNamespace(manifest=SimpleNamespace(source={"kind": kind}))


@pytest.mark.parametrize(
    "call",
    [
        lambda network: evaluate(network, {}, [], CPU),
        lambda network: calibrate(network, {}, [], 0),
        lambda network: collect_samples(network, {}, batches(1)[0]),
    ],
)
def test_a_network_in_training_mode_is_not_evaluated(call: Any) -> None:
    """Its batch normalization would use the statistics of the batch, and learn from the validation images."""
    network = nn.BatchNorm2d(3)
    with pytest.raises(ValueError, match=r"BatchNorm2d is in training mode.*call network.eval\(\) before"):
        call(network)


def test_a_task_without_output_prediction_or_target_is_named() -> None:
    data = batches(1)
    tasks = {"a": GlowTask(), "b": GlowTask()}
    with pytest.raises(ValueError, match=r"no output of the network for the task b; there is a"):
        evaluate(red, tasks, data, CPU)
    evaluator, maps = Evaluator(tasks, CPU), {"a": torch.zeros(2, 4, 6)}
    with pytest.raises(ValueError, match="no prediction for the task b; there is a"):
        evaluator.update(maps, data[0].targets)
    with pytest.raises(ValueError, match="no target for the task b; there is a"):
        evaluator.update(maps | {"b": maps["a"]}, data[0].targets)


def test_a_prediction_of_another_shape_is_not_broadcast() -> None:
    """A metric of one's own gave a number for (B, H, W) beside (B, 1, H, W)."""
    batch = batches(1)[0]
    evaluator = Evaluator({"a": GlowTask()}, CPU)
    with pytest.raises(ValueError, match=r"prediction of a is \(2, 1, 4, 6\), and its target is \(2, 4, 6\)"):
        evaluator.update({"a": torch.zeros(2, 1, 4, 6)}, batch.targets)
    arrays: Any = {"a": np.zeros((2, 4, 6))}
    with pytest.raises(ValueError, match="the prediction of a is of type ndarray"):
        evaluator.update(arrays, batch.targets)


def test_what_is_no_batch_and_no_output_is_named() -> None:
    batch = batches(1)[0]
    tuples: Any = [(batch.image, batch.targets)]  # as of StoreDataset
    with pytest.raises(ValueError, match=r"a batch is of type tuple: give taskscape.batch.Batch"):
        evaluate(red, {"a": GlowTask()}, tuples, CPU)
    maps: Any = lambda image: {"a": image[:, :1]}  # noqa: E731
    with pytest.raises(ValueError, match=r"outputs of type dict: they must be taskscape.models.Outputs"):
        evaluate(maps, {"a": GlowTask()}, [batch], CPU)
