"""Steps as CUDA graphs: real ones if there is a GPU, and a replacement that records operators on any CPU."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import pytest
import torch
from torch import Tensor
from typing_extensions import override

from recorded import RecordedGraphs
from taskscape.batch import Batch, Target
from taskscape.losses import LossTerm
from taskscape.losses.l1 import L1
from taskscape.tasks import Depth
from taskscape.training.captured import WARM_UP, CapturedSteps
from taskscape.training.cuda_graphs import CudaGraphs, Graphs
from taskscape.training.optimization import AdamConfig, AdamWConfig, OptimizerConfig, SGDConfig
from taskscape.training.stack import Stack
from taskscape.training.step import TrainingStep
from taskscape.weighting import DWAConfig, FixedConfig, PCGradConfig, UncertaintyConfig, WeightingConfig
from test_step import batch, parameters, training_step, without_labels

DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU"))]
RATE = 2.0**-7
"""A number that is exact in float32, in which a graph reads it."""


@pytest.fixture(autouse=True)
def as_on_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """Skip the checks of image ranges, labels and negative losses, which are done on a CPU only."""
    monkeypatch.setattr("taskscape.models.images._has_numbers", lambda image: False)
    for module in ("objectives.base", "tasks.boundaries", "tasks.depth", "weighting.base"):
        monkeypatch.setattr(f"taskscape.{module}.is_quick_to_read", lambda tensor: False)


def moved(data: Batch, device: str) -> Batch:
    return Batch(
        data.image.to(device),
        {name: type(target)(*(x.to(device) for x in target)) for name, target in data.targets.items()},
        data.indices.to(device),
    )


def captured(step: TrainingStep, graphs: Graphs | None = None) -> TrainingStep:
    """Make a step capture itself; on a CPU it does not read the gradient norm then, as on a GPU."""
    graphs = graphs or RecordedGraphs()
    step._update = step._update_unread  # type: ignore[method-assign]
    step.captured = CapturedSteps(lambda *args: [step.take(*args)], [step], graphs)
    return step


def pair(device: str, make: Callable[[], TrainingStep]) -> tuple[TrainingStep, TrainingStep]:
    """Return a plain step and a captured one."""
    plain, other = make(), make()
    for step in (plain, other):
        step.network.to(device)
        step.weighting.to(device)
        step.optimizer.load_state_dict(step.optimizer.state_dict())  # moves the state to that device
    return plain, captured(other, CudaGraphs(torch.device(device)) if device == "cuda" else None)


def batches(count: int, device: str) -> list[Batch]:
    """Return batches of different images."""
    first = batch()
    return [moved(first._replace(image=(first.image + 0.07 * i) % 1), device) for i in range(count)]


def run(step: TrainingStep, data: list[Batch]) -> list[dict[str, float]]:
    return [{name: x.item() for name, x in step(own, index).losses.items()} for index, own in enumerate(data)]


def assert_same(plain: TrainingStep, other: TrainingStep, device: str) -> None:
    if device == "cpu":
        assert torch.equal(parameters(plain), parameters(other))
    else:  # a GPU sums gradients in no fixed order
        torch.testing.assert_close(parameters(plain), parameters(other), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("weighting", [FixedConfig({"depth": 0.4}), DWAConfig(), UncertaintyConfig()])
@pytest.mark.parametrize("optimizer", [AdamConfig(lr=RATE), AdamWConfig(lr=RATE), SGDConfig(lr=RATE)])
def test_a_graph_trains_as_steps_one_by_one(
    device: str, weighting: WeightingConfig, optimizer: OptimizerConfig
) -> None:
    def make() -> TrainingStep:
        return training_step(
            weighting,
            optimizer,
            dropout=0.3,
            learning_rate=lambda step: 2.0**-step,
            gradient_clip=0.5,
            seed=3,
        )

    plain, other = pair(device, make)
    for _ in range(3):
        data = batches(WARM_UP + 2, device)
        expected, found = run(plain, data), run(other, data)
        for x, y in zip(expected, found, strict=True):
            assert x == pytest.approx(y, rel=1e-6 if device == "cpu" else 1e-3)
        for step in (plain, other):
            step.weighting.epoch_end(expected[-1])
    assert other.captured is not None and other.captured.refusal is None
    assert_same(plain, other, device)
    for group in other.optimizer.param_groups:  # a checkpoint contains plain numbers
        assert isinstance(group["lr"], float) and not group.get("capturable")


def test_a_graph_is_replayed_once_it_was_checked() -> None:
    graphs = RecordedGraphs()
    step = captured(training_step(), graphs)
    run(step, batches(WARM_UP, "cpu"))
    assert graphs.replays == 0
    run(step, batches(4, "cpu"))
    assert graphs.replays == 2 + 4  # two for the check


@pytest.mark.parametrize("device", DEVICES)
def test_tasks_that_lack_labels_have_a_graph_of_their_own(device: str) -> None:
    plain, other = pair(device, lambda: training_step(UncertaintyConfig(), AdamConfig(lr=RATE)))
    data = batches(4 * WARM_UP, device)
    data = [without_labels(own, "depth") if index % 2 else own for index, own in enumerate(data)]
    data[5] = without_labels(data[5], "semseg", "depth")
    expected, found = run(plain, data), run(other, data)
    for x, y in zip(expected, found, strict=True):
        assert x == pytest.approx(y, rel=1e-3)
    assert_same(plain, other, device)


@pytest.mark.parametrize("device", DEVICES)
def test_batches_of_other_sizes(device: str) -> None:
    plain, other = pair(device, lambda: training_step(optimizer=AdamConfig(lr=RATE)))
    sizes = [4, 3, 2, 5, 4, 6]
    data = [moved(batch(images), device) for images in sizes for _ in range(WARM_UP + 2)]
    run(plain, data), run(other, data)
    assert_same(plain, other, device)


@dataclass(frozen=True)
class Rising(L1):
    """An L1 whose weight is a Python number."""

    name: ClassVar[str] = "rising"
    calls: ClassVar[int] = 0

    @override
    def term(self, prediction: Tensor, target: Target) -> LossTerm:
        Rising.calls += 1
        term = super().term(prediction, target)
        return LossTerm(term.sum * (1 + Rising.calls / 100), term.count)


@dataclass(frozen=True)
class Waiting(L1):
    """An L1 whose value the host reads."""

    name: ClassVar[str] = "waiting"

    @override
    def term(self, prediction: Tensor, target: Target) -> LossTerm:
        term = super().term(prediction, target)
        return LossTerm(term.sum * (2 if term.sum.item() > 1e9 else 1), term.count)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize(
    ("loss", "reason"), [(Rising(), "kept in Python"), (Waiting(), "synchroniz")], ids=["counts", "waits"]
)
def test_what_a_graph_cannot_hold_is_taken_step_by_step(
    device: str, loss: L1, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    plain, other = pair(device, lambda: training_step(optimizer=AdamConfig(lr=RATE)))
    for step in (plain, other):
        step.tasks["depth"] = Depth(loss=loss)
    data = batches(2 * WARM_UP, device)
    Rising.calls = 0
    first = run(plain, data[:2])
    Rising.calls = 0
    assert run(other, data)[:2] == [pytest.approx(x) for x in first]
    assert other.captured is not None and reason in str(other.captured.refusal)
    assert "take longer" in caplog.text
    assert torch.isfinite(parameters(other)).all()


@pytest.mark.parametrize("device", DEVICES)
def test_a_refused_capture_changes_nothing(device: str) -> None:
    plain, other = pair(device, lambda: training_step(dropout=0.5, seed=1))
    for step in (plain, other):
        step.tasks["depth"] = Depth(loss=Waiting())
    data = batches(2 * WARM_UP, device)
    run(plain, data), run(other, data)
    assert_same(plain, other, device)


@pytest.mark.parametrize("device", DEVICES)
def test_a_stack_of_runs_is_captured_as_one(device: str) -> None:
    def make(seed: int) -> TrainingStep:
        step = training_step(FixedConfig({"depth": 0.2 + seed}), AdamConfig(lr=RATE / (1 + seed)), gradient_clip=0.5)
        step.network.load_state_dict({name: x * (1 + seed) for name, x in step.network.state_dict().items()})
        return step

    (a, x), (b, y) = pair(device, lambda: make(0)), pair(device, lambda: make(1))
    x.captured = y.captured = None
    plain, other = Stack([a, b]), Stack([x, y])
    graphs: Graphs = RecordedGraphs() if device == "cpu" else CudaGraphs(torch.device(device))
    other.captured = CapturedSteps(other.take, other.steps, graphs)
    for index, data in enumerate(batches(WARM_UP + 4, device)):
        expected, found = plain(data, [index, index]), other(data, [index, index])
        for own, result in zip(expected, found, strict=True):
            values = {name: loss.item() for name, loss in result.losses.items()}
            assert values == {name: pytest.approx(loss.item(), rel=1e-4) for name, loss in own.losses.items()}
    assert other.captured.refusal is None
    for own, captured_one in ((a, x), (b, y)):
        assert_same(own, captured_one, device)


@pytest.mark.parametrize("device", DEVICES)
def test_weights_that_move_in_memory_are_captured_anew(device: str) -> None:
    plain, other = pair(device, lambda: training_step(optimizer=AdamConfig(lr=RATE)))
    data = batches(WARM_UP + 2, device)
    for _ in range(2):
        run(plain, data), run(other, data)
        for parameter in other.network.parameters():
            parameter.data = parameter.data.clone()
    assert_same(plain, other, device)


def test_methods_that_compute_on_the_host_are_not_captured() -> None:
    assert FixedConfig().build(["a", "b"]).capturable
    assert not PCGradConfig().build(["a", "b"]).capturable
