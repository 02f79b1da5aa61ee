"""The contract of every network, whatever its layers."""

import copy
import os
from collections.abc import Iterator, Sequence
from dataclasses import fields, is_dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from taskscape import models, serialization
from taskscape.models import Network, NetworkConfig, Outputs
from taskscape.runs import flops

TASKS = {"semseg": 3, "depth": 1, "normals": 3}
PAIR = ("semseg", "depth")
"""Tasks for slow tests."""

SEGNET = {"widths": (8, 8, 16)}
SMALL: dict[str, dict[str, Any]] = {
    "segnet-single": SEGNET,
    "segnet-stan": SEGNET,
    "segnet-split": SEGNET,
    "segnet-split-deep": SEGNET,
    "segnet-split-wide": {"widths": (8, 8, 32)},
    "segnet-cross-stitch": SEGNET,
    "segnet-dense": SEGNET,
    "segnet-mtan": SEGNET,
    "resnet-mtan": {"encoder": "resnet18"},  # has two blocks per stage
    "dpt": {"encoder": "test_vit", "width": 16},
}
"""Options that make a network small; all others get a small encoder."""
SMALL_ENCODER = {"encoder": "test_resnet"}
CLASS_TASKS = {"deeplab-fully-branched": "wide_tasks", "xtask": "class_tasks"}
"""Settings that tell networks which tasks predict classes."""

WITHOUT_SHARED_FEATURES = {
    "segnet-single": "shares nothing",
    "segnet-stan": "shares nothing",
    "segnet-cross-stitch": "its tasks are mixed at every stage",
    "segnet-mtan": "its shared convolutions read the tasks' attended features",
    "resnet-mtan": "its shared blocks read the tasks' attended features",
    "deeplab-fully-branched": "shares nothing",
}
"""The networks that return no shared features, and why."""

ENCODER = ["encoder.backbone.layer4.0.conv2"]
"""The last convolution of test_resnet; only its shortcut comes later."""
LAST_SHARED = {
    "segnet-single": [],
    "segnet-stan": [],
    "segnet-split": ["trunk.decoder.2.1.0"],
    "segnet-split-deep": ["trunk.decoder.2.3.0"],
    "segnet-split-wide": ["trunk.decoder.2.1.0"],
    "segnet-cross-stitch": [f"decoder.1.{task}.1.0" for task in TASKS],
    "segnet-dense": ["decoder.1.1.0"],
    "segnet-mtan": ["trunk.decoder.2.1.0"],
    "resnet-mtan": ["encoder.backbone.layer4.1.conv2"],
    "deeplab-plain": ["project.0"],
    "deeplab-joint": ["decoder.fuse.1.0"],
    "deeplab-branched": ENCODER,
    "deeplab-fully-branched": [],
    "deeplab-distill": ENCODER,
    "deeplab-distill-up": ENCODER,
    "deeplab-distill-se": ENCODER,
    "deeplab-skip-fusion": ENCODER,
    "deeplab-joint-lite": ["decoder.fuse.1.0"],
    "deeplab-branched-lite": ENCODER,
    "adaptive-depth": ENCODER,
    "transformer": ENCODER,
    "cross-attention": ENCODER,
    "xtask": ENCODER,
    "dpt": ["encoder.backbone.model.blocks.5.mlp.fc2"],
}
"""The last layers on the main path that the losses of all tasks share."""


class Trained(NamedTuple):
    """A small network after one training step, in evaluation mode."""

    name: str
    network: Network
    outputs: Outputs
    """The outputs in training mode."""
    without_gradient: list[str]
    """Parameters without a gradient after the step."""


def options(name: str, tasks: Sequence[str]) -> dict[str, Any]:
    classes = {CLASS_TASKS[name]: ("semseg",) if "semseg" in tasks else ()} if name in CLASS_TASKS else {}
    return {**SMALL.get(name, SMALL_ENCODER), **classes}


def build(name: str, tasks: Sequence[str] = tuple(TASKS)) -> Network:
    return models.build(name, {task: TASKS[task] for task in tasks}, **options(name, tasks))


def photograph(*size: int, seed: int = 0) -> Tensor:
    return torch.rand(size[0], 3, *size[1:], generator=torch.Generator().manual_seed(seed))


def losses(outputs: Outputs, roles: Sequence[str] = ("initial",)) -> dict[str, Tensor]:
    """Return a loss per task over its final predictions and those of further roles."""
    predictions = [outputs.final, *(outputs.auxiliary[role] for role in roles if role in outputs.auxiliary)]
    return {
        task: torch.stack([maps[task].square().mean() for maps in predictions if task in maps]).sum()
        for task in outputs.final
    }


def relative(x: Tensor, reference: Tensor) -> float:
    return float((x - reference).detach().norm() / reference.detach().norm())


@pytest.fixture(scope="module", params=models.NAMES)
def trained(request: pytest.FixtureRequest) -> Iterator[Trained]:
    torch.manual_seed(0)
    network = build(request.param)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = None  # a cumulative average, for which one step suffices
    outputs = network(photograph(2, 90, 150))
    sum(losses(outputs, tuple(outputs.auxiliary)).values(), torch.zeros(())).backward()
    without = [name for name, parameter in network.named_parameters() if parameter.grad is None]
    torch.optim.SGD(network.parameters(), lr=1e-3).step()
    network.zero_grad()
    yield Trained(request.param, network.eval(), outputs, without)


@pytest.mark.parametrize("config", models.CONFIGS.values(), ids=models.NAMES)
def test_settings_are_plain_and_documented(config: type[NetworkConfig]) -> None:
    assert is_dataclass(config) and config.__dataclass_params__.frozen  # type: ignore[attr-defined]
    assert config() == config() and config.__doc__ and config.name and config.paper
    assert config.link.startswith(("https://arxiv.org/abs/", "https://openaccess.thecvf.com/"))
    assert all(isinstance(getattr(config(), field.name), int | float | str | tuple | None) for field in fields(config))


@pytest.mark.parametrize("config", models.CONFIGS.values(), ids=models.NAMES)
def test_the_module_has_the_plain_name(config: type[NetworkConfig]) -> None:
    assert config.__name__ == f"{config.network.__name__}Config"
    assert getattr(models, config.network.__name__) is config.network
    assert getattr(models, config.__name__) is config
    assert serialization.offered(NetworkConfig)[config.name] is config


@pytest.mark.parametrize("name", models.NAMES)
def test_every_way_of_building_gives_the_same_network(name: str) -> None:
    config, out_channels = models.CONFIGS[name], {task: TASKS[task] for task in PAIR}
    settings = options(name, PAIR)
    weights = []
    for build_it in (
        lambda: models.build(name, out_channels, **settings),
        lambda: config(**settings).build(out_channels),
        lambda: config.network(out_channels, config(**settings)),
        lambda: config.network(out_channels, **settings),
    ):
        torch.manual_seed(0)
        network = build_it()
        assert type(network) is config.network and network.out_channels == out_channels
        weights.append(network.state_dict())
    for other in weights[1:]:
        assert list(other) == list(weights[0])
        assert all(torch.equal(other[key], weight) for key, weight in weights[0].items())
    with torch.device("meta"), pytest.raises(TypeError, match="not both"):
        config.network(out_channels, config(), **settings)
    with torch.device("meta"), pytest.raises(TypeError, match="no_such_option"):
        config.network(out_channels, no_such_option=1)
    with torch.device("meta"), pytest.raises(ValueError, match="at least one task"):
        config.network({})


@pytest.mark.parametrize(
    ("channels", "message"),
    [
        (["semseg"], r"out_channels is \['semseg'\]: give the output channels of each task by its name"),
        ({"semseg": 0}, "out_channels of semseg is 0: it must be a whole number, at least 1"),
        ({"semseg": 3, "depth": 1.0}, "out_channels of depth is 1.0"),
        ({"semseg": True}, "out_channels of semseg is True"),
        ({0: 3}, "the key 0, but task names are strings"),
    ],
)
def test_channels_that_are_none_are_refused(channels: Any, message: str) -> None:
    for build_it in (lambda: models.build("segnet-split", channels), lambda: models.SegnetSplit(channels)):
        with torch.device("meta"), pytest.raises(ValueError, match=message):
            build_it()


def test_an_unknown_option_is_met_with_the_nearest() -> None:
    for build_it in (models.DeeplabJoint, models.DeeplabJointConfig, partial(models.build, "deeplab-joint")):
        arguments = [] if build_it is models.DeeplabJointConfig else [{"semseg": 3}]
        with torch.device("meta"), pytest.raises(TypeError, match="no setting 'encodr'; did you mean encoder"):
            build_it(*arguments, encodr="resnet18")


def test_an_encoder_without_its_name_is_met_with_the_remedy() -> None:
    with pytest.raises(TypeError, match="give its fields by name, such as encoder='resnet18'"):
        models.DeeplabJoint({"semseg": 3}, "resnet18")  # type: ignore[arg-type]


def test_one_image_in_training_mode_is_met_with_the_remedy() -> None:
    network = models.DeeplabJoint({"semseg": 3}, **SMALL_ENCODER, width=16)
    with pytest.raises(ValueError, match=r"DeeplabJoint is in training mode.* 2 images or more: call network.eval()"):
        network(torch.rand(1, 3, 64, 64))
    assert len(network(torch.rand(2, 3, 64, 64))["semseg"]) == 2
    assert len(network.eval()(torch.rand(1, 3, 64, 64))["semseg"]) == 1


def test_an_unknown_name_is_met_with_the_nearest() -> None:
    with pytest.raises(ValueError, match="no network 'deeplab-joined'; did you mean deeplab-joint"):
        models.build("deeplab-joined", {"semseg": 3})


def test_predicts_every_task_at_the_size_of_the_image(trained: Trained) -> None:
    for maps in (trained.outputs.final, *trained.outputs.auxiliary.values()):
        assert maps.keys() <= TASKS.keys()
        assert all(x.shape == (2, TASKS[task], 90, 150) and x.isfinite().all() for task, x in maps.items())
    assert trained.outputs.final.keys() == TASKS.keys()
    with torch.no_grad():
        final = trained.network(photograph(1, 64, 64)).final
    assert all(x.shape == (1, TASKS[task], 64, 64) and x.isfinite().all() for task, x in final.items())


@pytest.mark.parametrize("tasks", [["depth"], ["normals", "semseg"]], ids=",".join)
def test_takes_any_tasks(trained: Trained, tasks: list[str]) -> None:
    network = build(trained.name, tasks).eval()
    with torch.no_grad():
        final = network(photograph(1, 42, 58)).final
    assert {task: x.shape for task, x in final.items()} == {task: (1, TASKS[task], 42, 58) for task in tasks}


def test_every_parameter_receives_a_gradient(trained: Trained) -> None:
    assert not trained.without_gradient


def test_shared_parameters_are_those_that_several_losses_reach(trained: Trained) -> None:
    # Transferred predictions are left out: their purpose is to compare tasks with each other.
    parameters = dict(trained.network.named_parameters())
    reached: dict[str, list[str]] = {name: [] for name in parameters}
    for task, loss in losses(trained.network(photograph(1, 42, 58))).items():
        gradients = torch.autograd.grad(loss, list(parameters.values()), retain_graph=True, allow_unused=True)
        for name, gradient in zip(parameters, gradients, strict=True):
            if gradient is not None:
                reached[name].append(task)
    shared = {id(parameter) for parameter in trained.network.shared_parameters()}
    assert {name for name, tasks in reached.items() if len(tasks) > 1} == {
        name for name, parameter in parameters.items() if id(parameter) in shared
    }


def test_the_class_says_what_is_shared(trained: Trained) -> None:
    network = build(trained.name, PAIR)
    assert bool(network.shared_parameters()) == type(network).has_shared_parameters
    with torch.no_grad():
        outputs = network(photograph(2, 42, 58))
    assert bool(outputs.shared) == type(network).has_shared_features
    parameters = {id(parameter) for parameter in network.parameters()}
    parts = [{id(p) for p in part} for part in (network.shared_parameters(), network.task_parameters())]
    assert parts[0] | parts[1] == parameters and not parts[0] & parts[1]


def test_every_loss_reaches_the_last_shared_layer(trained: Trained) -> None:
    layers = trained.network.last_shared_layers()
    names = {id(module): name for name, module in trained.network.named_modules()}
    assert [names[id(layer)] for layer in layers] == LAST_SHARED[trained.name]
    last = trained.network.last_shared_parameters()
    assert {id(p) for p in last} == {id(p) for layer in layers for p in layer.parameters()}
    assert bool(last) == bool(trained.network.shared_parameters())
    assert {id(p) for p in last} <= {id(p) for p in trained.network.shared_parameters()}
    if not last:
        return
    weights = [parameter for parameter in last if parameter.ndim > 1]
    for loss in losses(trained.network(photograph(2, 90, 150))).values():
        for gradient in torch.autograd.grad(loss, weights, retain_graph=True):
            assert gradient.abs().max() > 0


def test_losses_depend_on_what_is_shared_only_through_the_shared_features(trained: Trained) -> None:
    network = copy.deepcopy(trained.network).double()
    outputs = network(photograph(1, 42, 58).double())
    assert (outputs.shared == ()) == (trained.name in WITHOUT_SHARED_FEATURES)
    if not outputs.shared:
        return
    loss = sum(losses(outputs).values(), torch.zeros(()))
    shared = network.shared_parameters()
    expected = torch.autograd.grad(loss, shared, retain_graph=True)
    at_features = torch.autograd.grad(loss, outputs.shared, retain_graph=True)
    through_features = torch.autograd.grad(outputs.shared, shared, at_features, allow_unused=True)
    for direct, through in zip(expected, through_features, strict=True):
        assert through is not None
        torch.testing.assert_close(through, direct, rtol=1e-7, atol=1e-12)


def test_bf16_costs_little_more_than_rounded_weights(trained: Trained) -> None:
    # No fixed bound holds: with random weights, batch norms amplify rounding errors, and a changed pooling index moves
    # a whole value. Both also happen in float32 if only weights and images are rounded, which gives the scale.
    rounded, image = copy.deepcopy(trained.network), photograph(2, 64, 96)
    with torch.no_grad():
        for parameter in rounded.parameters():
            parameter.copy_(parameter.bfloat16())
        exact, scale = trained.network(image).final, rounded(image.bfloat16().float()).final
        with torch.autocast("cpu", torch.bfloat16):
            final = trained.network(image).final
    for task in TASKS:
        assert final[task].isfinite().all()
        assert relative(final[task].float(), exact[task]) < 4 * relative(scale[task], exact[task]) + 0.01


def test_channels_last_changes_nothing_but_speed(trained: Trained) -> None:
    network, image = copy.deepcopy(trained.network).double(), photograph(1, 42, 58).double()
    with torch.no_grad():
        expected = network(image).final
        final = network.to(memory_format=torch.channels_last)(image.to(memory_format=torch.channels_last)).final
    assert all(relative(final[task], expected[task]) < 1e-9 for task in TASKS)


def test_a_seed_fixes_weights_and_training(trained: Trained) -> None:
    predictions = []
    for _ in range(2):
        torch.manual_seed(3)
        predictions.append(build(trained.name)(photograph(2, 42, 58)).final)
    assert all(torch.equal(predictions[0][task], predictions[1][task]) for task in TASKS)


def test_weights_travel_as_safetensors(trained: Trained, tmp_path: Path) -> None:
    save_file(trained.network.state_dict(), tmp_path / "network.safetensors")
    other, image = build(trained.name).eval(), photograph(1, 42, 58)
    other.load_state_dict(load_file(tmp_path / "network.safetensors"))
    with torch.no_grad():
        expected, final = trained.network(image).final, other(image).final
    assert all(torch.equal(final[task], expected[task]) for task in TASKS)


def test_exports_for_any_size(trained: Trained) -> None:
    auto = torch.export.Dim.AUTO
    shapes = {"image": {0: auto, 2: auto, 3: auto}}
    network, other = build(trained.name, PAIR).eval().double(), photograph(3, 96, 64).double()
    program = torch.export.export(network, (photograph(2, 64, 96).double(),), dynamic_shapes=shapes)
    with torch.no_grad():
        expected, final = network(other).final, program.module()(other).final
    assert all(relative(final[task], expected[task]) < 1e-9 for task in PAIR)


def compiles(network: Network, backend: str) -> None:
    """Compare predictions and the gradient of the image in evaluation mode, in which nothing is random."""
    torch._dynamo.reset()
    network = copy.deepcopy(network).double()
    results = []
    for run in (network, torch.compile(network, backend=backend)):
        image = photograph(2, 42, 58).double().requires_grad_()
        final = run(image).final
        loss = sum((x.square().mean() for x in final.values()), torch.zeros(()))
        results.append([*torch.autograd.grad(loss, image), *final.values()])
    assert all(relative(compiled, plain) < 1e-9 for plain, compiled in zip(*results, strict=True))


def test_compiles(trained: Trained) -> None:
    compiles(build(trained.name, PAIR).eval(), "aot_eager")


@pytest.mark.skipif("TASKSCAPE_SLOW_TESTS" not in os.environ, reason="a minute a network; set TASKSCAPE_SLOW_TESTS")
@pytest.mark.parametrize("name", ["segnet-mtan", "deeplab-joint"])
def test_compiles_to_machine_code(name: str) -> None:
    compiles(build(name).eval(), "inductor")


@pytest.mark.parametrize("name", models.NAMES)
def test_decoders_that_are_dropped_change_no_other_task(name: str) -> None:
    torch.manual_seed(0)
    network = build(name).eval()
    image = photograph(1, 48, 64)
    with torch.no_grad():
        before = network(image).final["depth"]
        network.drop_decoders([task for task in TASKS if task != "depth"])
        after = network(image).final
    assert list(after) == ["depth"]
    torch.testing.assert_close(after["depth"], before, rtol=0, atol=0)


EXCHANGES = ("segnet-cross-stitch", "deeplab-distill", "deeplab-distill-up", "deeplab-distill-se")
"""The networks whose tasks use each other's features in prediction."""


@pytest.mark.parametrize("name", models.NAMES)
def test_what_only_other_tasks_need_is_not_computed(name: str) -> None:
    """Without other decoders, nothing is computed or kept that depth does not need, unless it reads other tasks."""
    network, alone = build(name).eval(), build(name, ("depth",)).eval()
    every = flops(network, (48, 64))
    network.drop_decoders([task for task in TASKS if task != "depth"])
    if name in EXCHANGES:
        assert flops(alone, (48, 64)) < flops(network, (48, 64)) < every
    else:
        assert flops(network, (48, 64)) == flops(alone, (48, 64)) < every
        beside = ("transfers",)  # used in training only
        kept = [n for n, p in network.named_parameters() if not n.startswith(beside)]
        assert kept == [n for n, p in alone.named_parameters() if not n.startswith(beside)]
