"""Training steps can be captured as CUDA graphs; these tests need no GPU.

A step on torch's meta device computes nothing, but its operators show when the host of a GPU would have to wait for a
number or copy one from its memory.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from importlib import import_module
from typing import Any, get_args

import pytest
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from typing_extensions import override

from recorded import RecordedGraphs
from taskscape import models
from taskscape.batch import Batch, Target
from taskscape.losses import L1, LOSSES, SSIM, CrossEntropy, CrossEntropyJaccard, KLDivergence, SILog
from taskscape.modalities.class_sets import CITYSCAPES_7
from taskscape.models import NetworkConfig
from taskscape.objectives import CrossTaskConsistency, Objective, Supervised
from taskscape.tasks import Albedo, Boundaries, Depth, SemanticSegmentation, SurfaceNormals, Task
from taskscape.tasks.depth_encoding import Representation
from taskscape.training.optimization import parameter_groups
from taskscape.training.step import TrainingStep
from taskscape.weighting import (
    CONFIGS,
    BalancingContext,
    Fixed,
    FixedConfig,
    GradNormConfig,
    STCHConfig,
    WeightingConfig,
)
from taskscape.weighting.base import global_losses
from tiny import TinyConfig

CLASSES = SemanticSegmentation(CITYSCAPES_7)
METERS = Depth(representation="meters", mean=0.0, std=1.0)
TWO: Mapping[str, Task] = {"semseg": CLASSES, "depth": METERS}
PLAIN_SUM, SUPERVISED = FixedConfig(), Supervised()


@pytest.fixture(autouse=True)
def without_autocast(monkeypatch: pytest.MonkeyPatch) -> None:
    """Turn off autocast, which the meta device does not support."""
    monkeypatch.setattr("taskscape.training.step.autocast", lambda device, precision: nullcontext())


@contextmanager
def on_device(kind: str = "meta") -> Iterator[None]:
    """Raise ``AssertionError`` that names an operator for which the host of a GPU would wait or copy numbers."""
    with _Operators(kind), _Numbers(kind):
        yield


class _Numbers(TorchFunctionMode):
    """Checks that no tensor on the device is created from Python numbers."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind

    @override
    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if func in (torch.tensor, torch.as_tensor, torch.asarray, Tensor.new_tensor):
            assert self.kind not in kinds([result]), f"{func.__name__} copies from the host"
        return result


class _Operators(TorchDispatchMode):
    """Checks that no operator waits for numbers of the device, or copies between devices."""

    def __init__(self, kind: str = "meta") -> None:
        super().__init__()
        self.kind = kind

    @override
    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name, given = func.overloadpacket.__name__, tensors((args, kwargs))
        if self.kind in kinds(given):
            if name in ("index", "index_put", "index_put_"):
                waits = any(x.dtype in (torch.bool, torch.uint8) for x in tensors(args[1]))
            elif name in ("masked_fill", "masked_fill_"):
                waits = isinstance(args[2], Tensor)  # the value of the argument is read
            else:
                waits = bool({torch.Tag.data_dependent_output, torch.Tag.dynamic_output_shape} & set(func.tags))
            assert not waits, f"the host waits for {func}"
            goes = (kwargs or {}).get("device")
            copies = goes is not None and goes.type != self.kind
            assert not copies, f"{func} copies from the host or to it"
        result = func(*args, **(kwargs or {}))
        assert len(kinds((*given, *tensors(result)))) < 2, f"{func} copies from the host or to it"
        return result


def tensors(x: Any) -> list[Tensor]:
    return [leaf for leaf in tree_leaves(x) if isinstance(leaf, Tensor)]


def kinds(some: Iterable[Tensor]) -> set[str]:
    return {x.device.type for x in some}


def batch(tasks: Mapping[str, Task]) -> Batch:
    size = (2, 64, 64)

    def target(task: Task) -> Target:
        shape = size if task.predicts_classes else (2, task.channels - task.loss.scale_channels, *size[1:])
        value = torch.zeros(shape, dtype=torch.int64 if task.predicts_classes else torch.float32, device="meta")
        return Target(value, torch.ones(size, dtype=torch.bool, device="meta"))

    image = torch.zeros(2, 3, *size[1:], device="meta")
    return Batch(image, {name: target(task) for name, task in tasks.items()}, torch.arange(2))


def step_on_device(
    network: NetworkConfig,
    tasks: Mapping[str, Task],
    objective: Objective = SUPERVISED,
    weighting: WeightingConfig = PLAIN_SUM,
) -> None:
    """Take a step, which initializes lazy state, and then one that must stay on the device."""
    with torch.device("meta"):
        built = network.for_tasks(tasks).build({name: task.channels for name, task in tasks.items()})
    balance = weighting.build(tuple(tasks)).to("meta")
    optimizer = torch.optim.SGD(parameter_groups(built, balance), 0.1)
    optimizer.step = lambda: None  # fused optimizers do not support the meta device
    step = TrainingStep(built, tasks, objective, balance, optimizer, gradient_clip=1.0)
    data, names = batch(tasks), list(tasks)

    def take() -> None:
        step.prepare(0)
        losses, outputs = step.forward(data, names)
        balance.backward(losses, step.context(losses, outputs))
        step.update()
        step.adjust(lambda: global_losses(step.forward(data, names)[0]))

    take()
    with on_device():
        take()


def small(name: str) -> NetworkConfig:
    other = {"resnet-mtan": {"encoder": "resnet18"}, "dpt": {"encoder": "test_vit", "width": 16}}
    options: Any = {"widths": (8, 8, 16)} if name.startswith("segnet") else other.get(name, {"encoder": "test_resnet"})
    return models.CONFIGS[name](**options)


@pytest.mark.parametrize("name", models.NAMES)
def test_networks(name: str) -> None:
    step_on_device(small(name), TWO)


KINDS: tuple[Task, ...] = (CLASSES, Depth(), SurfaceNormals(), Boundaries(), Albedo())
WEIGHTS: Any = {"class_weights": (0.5, 1.0, 2.0, 0.1, 3.0, 1.0, 1.0), "label_smoothing": 0.1, "logit_adjustment": 0.5}
VARIANTS = [CrossEntropy(**WEIGHTS), CrossEntropyJaccard(**WEIGHTS), KLDivergence(label_smoothing=0.1)]


def cases() -> Iterator[Task]:
    """Yield every loss of every task, with the settings that create tensors, and every representation of depth."""
    for task in KINDS:
        for loss in LOSSES:
            if task.name in loss.suits:
                yield replace(task, loss=loss())  # type: ignore[type-var]
    yield from (replace(CLASSES, loss=loss) for loss in VARIANTS)
    for representation in get_args(Representation):
        yield from (Depth(representation, loss=loss) for loss in (L1(), SSIM(), SILog(), SILog(per_image=False)))


@pytest.mark.parametrize("task", list(cases()), ids=lambda task: f"{task.name} {task.loss}")
def test_losses(task: Task) -> None:
    step_on_device(TinyConfig(), {task.name: task})


@pytest.mark.parametrize(
    "objective",
    [
        CrossTaskConsistency(),
        CrossTaskConsistency(losses={"semseg": KLDivergence(), "depth": SSIM()}),
        CrossTaskConsistency(target="truth", weights={"semseg": 0.1}, losses={"depth": SILog()}),
    ],
)
def test_consistency(objective: Objective) -> None:
    step_on_device(small("xtask"), {"semseg": CLASSES, "depth": Depth()}, objective)


METHODS = {name: config() for name, config in CONFIGS.items() if config.weighting.capturable}
METHODS |= {
    "gradnorm, adam": GradNormConfig(optimizer="adam"),
    "stch, settings": STCHConfig(preference={"depth": 3.0}, ideal={"depth": 0.1}),
}
OTHERS = [name for name in CONFIGS if name not in METHODS]
"""Methods that use solvers on the host, or draw random numbers."""


@pytest.mark.parametrize("name", METHODS)
def test_weightings(name: str) -> None:
    step_on_device(small("deeplab-joint"), TWO, weighting=METHODS[name])


def test_which_weightings_are_capturable() -> None:
    of_losses = {"fixed", "dwa", "uncertainty", "imtl-l", "geometric", "gradnorm", "stch", "famo", "excess-mtl"}
    assert {name for name in CONFIGS if CONFIGS[name].weighting.capturable} == of_losses


def test_a_subclass_promises_nothing() -> None:
    class Mine(Fixed):
        pass

    class Mine2(Fixed):
        capturable = True

    assert Fixed.capturable and not Mine.capturable and Mine2.capturable


@pytest.mark.parametrize(
    ("what", "operator"),
    [
        (lambda x: x.new_tensor([1.0, 2.0]), "tensor copies"),
        (lambda x: torch.tensor(2.0, device=x.device), "tensor copies"),
        (lambda x: x.new_empty(3).copy_(torch.ones(3)), "copy_.* copies"),
        (lambda x: torch.ones(3).to(x.device), "_to_copy.* copies"),
        (lambda x: x * torch.ones(()), "mul.* copies"),
        (lambda x: x.cpu(), "_to_copy.* copies"),
        (lambda x: x.sum().item(), "waits for aten._local_scalar_dense"),
        (lambda x: x.nonzero(), "waits for aten.nonzero"),
        (lambda x: x[x > 0], "waits for aten.index"),
        (lambda x: x.unique(), "waits for aten._unique2"),
        (lambda x: x.masked_fill(x > 0, x.sum()), "waits for aten.masked_fill"),
    ],
)
def test_an_operator_that_no_graph_holds_is_named(what: Callable[[Tensor], object], operator: str) -> None:
    with pytest.raises(AssertionError, match=operator), on_device():
        what(torch.zeros(2, 3, device="meta"))


@pytest.fixture
def counts_on_device(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make methods with their own optimizer count its steps in a tensor, and read no loss, as on a GPU."""
    monkeypatch.setattr("taskscape.weighting.own_adam._DEVICES_WITH_GRAPHS", ("cpu",))
    monkeypatch.setattr(import_module("torch.optim.adam"), "_get_capturable_supported_devices", lambda: ["cpu"])
    monkeypatch.setattr("taskscape.weighting.base.is_quick_to_read", lambda tensor: False)


class Balanced:
    """Two losses of a vector, and a weighting method."""

    def __init__(self, name: str) -> None:
        self.x = nn.Parameter(torch.tensor([1.0, 2.0, 3.0]))
        self.weighting = METHODS[name].build(["semseg", "depth"])

    def step(self) -> None:
        losses = self.losses()
        learned = [p for p in (self.x, *self.weighting.parameters()) if p.requires_grad]
        for p in learned:
            p.grad = None
        self.weighting.backward(losses, BalancingContext.of(losses, shared=[self.x], tasks=[], last=[self.x]))
        with torch.no_grad():
            for p in learned:
                p -= 0.01 * p.grad
            self.weighting.after_step(lambda: global_losses(self.losses()))

    def losses(self) -> dict[str, Tensor]:
        return {"semseg": self.x.square().sum(), "depth": (3 * self.x - 1).abs().sum()}

    def epoch_end(self, epoch: int) -> None:
        self.weighting.epoch_end({"semseg": 3.0 - 0.5 * epoch, "depth": 2.0 + epoch})


def host_state(x: Any) -> Any:
    """Return all state of a module in Python, and the addresses of its parameters, buffers and optimizer state."""
    match x:
        case Tensor():
            return x.data_ptr()
        case nn.Module():  # other tensors than parameters and buffers belong to a step
            return host_state({name: value for name, value in vars(x).items() if not isinstance(value, Tensor)})
        case torch.optim.Optimizer():
            return host_state([x.param_groups, *x.state.values()])
        case Mapping():
            return {name: host_state(value) for name, value in x.items()}
        case list() | tuple():
            return [host_state(value) for value in x]
    return x


@pytest.mark.usefixtures("counts_on_device")
@pytest.mark.parametrize("name", METHODS)
def test_what_changes_is_in_tensors_that_keep_their_place(name: str) -> None:
    balanced = Balanced(name)
    balanced.step()
    before = host_state(balanced.weighting)
    for epoch in range(3):
        with on_device("cpu"):
            balanced.step()
        balanced.epoch_end(epoch)
    assert host_state(balanced.weighting) == before


@pytest.mark.usefixtures("counts_on_device")
@pytest.mark.parametrize("name", METHODS)
def test_a_graph_goes_on_as_the_method_does(name: str) -> None:
    expected, found = Balanced(name), Balanced(name)
    for balanced in (expected, found):
        balanced.step()

    def step() -> Tensor:
        found.step()
        return found.x

    replay = RecordedGraphs().capture(step)
    for epoch in range(4):
        expected.step(), replay()
        torch.testing.assert_close(found.x, expected.x, rtol=0, atol=0)
        expected.epoch_end(epoch), found.epoch_end(epoch)
    assert str(found.weighting.state_dict()) == str(expected.weighting.state_dict())


@pytest.mark.parametrize("name", ["famo", "gradnorm, adam"])
def test_an_optimizer_of_ones_own_is_adam_wherever_it_counts(name: str, request: pytest.FixtureRequest) -> None:
    def learned() -> Tensor:
        balanced = Balanced(name)
        for _ in range(5):
            balanced.step()
        return next(balanced.weighting.parameters())

    on_host = learned()
    request.getfixturevalue("counts_on_device")
    torch.testing.assert_close(learned(), on_host)
    assert len(on_host.unique()) == 2
