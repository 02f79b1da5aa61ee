"""Every network trains in a stack as it does alone, or is rejected."""

import copy
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest
import torch
from test_task_sets import SETS, small, target
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode

from taskscape.batch import Batch, Target
from taskscape.models import NAMES, NetworkConfig
from taskscape.objectives import Supervised
from taskscape.tasks import Task
from taskscape.training.networks_as_one import Networks, require_stackable
from taskscape.training.optimization import AdamWConfig, build_optimizer
from taskscape.training.stack import Stack
from taskscape.training.step import TrainingStep
from taskscape.weighting import FixedConfig

TASKS: Mapping[str, Task] = SETS["two, meters"]
SIZE = (42, 58)
RATES = (1e-3, 3e-3, 1e-2)
REFUSED = {"resnet-mtan": "dropout to 0"}
"""Networks that cannot be stacked with their default settings, and the remedy."""


def config(name: str) -> NetworkConfig:
    """Return the settings that can be stacked."""
    found: NetworkConfig = replace(small(name), **({"dropout": 0.0} if name in REFUSED else {})).for_tasks(TASKS)
    return found


def channels() -> dict[str, int]:
    return {key: task.channels for key, task in TASKS.items()}


@pytest.mark.parametrize("name", NAMES)
def test_what_cannot_be_stacked_is_refused_without_numbers(name: str) -> None:
    for settings in (config(name), small(name).for_tasks(TASKS)):
        with torch.device("meta"):
            networks = [settings.build(channels()) for _ in range(2)]
        if settings == config(name):
            require_stackable(networks)
        else:
            with pytest.raises(ValueError, match=f"random numbers.*{REFUSED[name]}"):
                require_stackable(networks)


def steps(name: str) -> list[TrainingStep]:
    """Return the steps of three runs that differ in their initial weights, task weights and learning rates."""
    found = []
    for seed, rate in enumerate(RATES):
        torch.manual_seed(seed)
        network = config(name).build(channels()).double()
        weighting = FixedConfig({"range": 0.2 + seed}).build(tuple(TASKS))
        optimizer = build_optimizer(AdamWConfig(lr=rate), network, weighting)
        found.append(TrainingStep(network, TASKS, Supervised(), weighting, optimizer, gradient_clip=0.5, seed=seed))
    return found


def batch(number: int) -> Batch:
    """Return two images of each run, ordered by run."""
    g = torch.Generator().manual_seed(number)
    image = torch.rand(2 * len(RATES), 3, *SIZE, generator=g, dtype=torch.float64)
    targets = {}
    for key, task in TASKS.items():
        value, valid = (torch.cat(parts) for parts in zip(*(target(task, SIZE) for _ in RATES), strict=True))
        turned = value.roll(number, -1)
        targets[key] = Target(turned if task.predicts_classes else turned.double(), valid)
    return Batch(image, targets, torch.arange(len(image)))


def part(whole: Batch, run: int) -> Batch:
    rows = slice(2 * run, 2 * run + 2)
    targets = {key: Target(value[rows], valid[rows]) for key, (value, valid) in whole.targets.items()}
    return Batch(whole.image[rows], targets, whole.indices[rows])


@pytest.mark.parametrize("name", NAMES)
def test_a_stack_of_runs_is_each_of_them(name: str) -> None:
    alone = steps(name)
    together = copy.deepcopy(alone)
    stack = Stack(together)
    for number in range(2):
        data = batch(number)
        results = stack(data, [number] * len(RATES))
        for run, (step, result) in enumerate(zip(alone, results, strict=True)):
            expected = step(part(data, run), number)
            for key in TASKS:
                torch.testing.assert_close(result.losses[key], expected.losses[key], rtol=1e-9, atol=0)
                assert torch.equal(result.weights[key], expected.weights[key])
            torch.testing.assert_close(result.gradient_norm, expected.gradient_norm, rtol=1e-7, atol=0)
    for one, other in zip(alone, together, strict=True):
        states = other.network.state_dict()
        assert states.keys() == one.network.state_dict().keys()
        for key, tensor in one.network.state_dict().items():
            # Adam divides by the size of the gradient: if that is nearly 0, rounding decides.
            torch.testing.assert_close(states[key], tensor, rtol=1e-6, atol=1e-6, msg=key)


KINDS = {"conv": "convolution", "mm": "product", "softmax": "softmax", "layer_norm": "layer norm"}


class Types(TorchDispatchMode):
    """Records the types in which convolutions and similar operators are computed."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: set[tuple[str, torch.dtype]] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        for part, kind in KINDS.items():
            if part in func.__name__:
                self.seen.add((kind, args[0].dtype))
        return func(*args, **(kwargs or {}))


def types_of(device: str, compute: Callable[[], object]) -> set[tuple[str, torch.dtype]]:
    """Return the types in which something is computed with bf16 autocast, which torch refuses without a GPU."""
    torch.set_autocast_enabled(device, True)
    torch.set_autocast_dtype(device, torch.bfloat16)
    try:
        with Types() as types:
            compute()
    finally:
        torch.set_autocast_enabled(device, False)
        torch.clear_autocast_cache()
    return types.seen


def move(network: nn.Module, device: str) -> None:
    """Replace a network's tensors by ones without values on a device, which need not exist."""
    for module in network.modules():
        for tensors in (module._parameters, module._buffers):
            for name, tensor in tensors.items():
                if tensor is not None:
                    moved: Any = torch.empty_strided(tensor.shape, tensor.stride(), dtype=tensor.dtype, device=device)
                    tensors[name] = nn.Parameter(moved) if tensors is module._parameters else moved


@pytest.mark.parametrize("device", ["cpu", "cuda"])
@pytest.mark.parametrize("name", NAMES)
def test_a_stack_computes_in_the_types_of_each_alone(name: str, device: str) -> None:
    networks = [config(name).build(channels()).to(memory_format=torch.channels_last) for _ in range(2)]
    with FakeTensorMode(allow_non_fake_inputs=True):
        for network in networks:
            move(network, device)
        images = torch.empty(2, 2, 3, *SIZE, device=device)
        alone = types_of(device, lambda: networks[0].forward(images[0]))
        together = types_of(device, lambda: Networks(networks)(images))
    assert ("convolution", torch.bfloat16) in alone
    assert together == alone
