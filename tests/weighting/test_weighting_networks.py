"""Balancing a real network."""

import pytest
import torch
from torch import Tensor

from taskscape import models
from taskscape.weighting import ConFIGConfig, Fixed, GradDropConfig, GradNormConfig, PCGradConfig, RandomGradientConfig, Shared, Weighting

TASKS = {"semseg": 3, "depth": 1, "normals": 3}


@pytest.fixture(scope="module")
def network() -> models.Network:
    torch.manual_seed(0)
    return models.build("deeplab-branched", TASKS, encoder="resnet10t").double().eval()


def gradients(network: models.Network, weighting: Weighting) -> tuple[dict[str, Tensor], dict[str, Tensor] | None]:
    network.zero_grad()
    image = torch.rand(2, 3, 32, 48, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    outputs = network(image)
    parameters = network.shared_parameters()
    taken = {id(p) for p in parameters}
    own = tuple(p for p in network.parameters() if p.requires_grad and id(p) not in taken)
    shared = Shared(parameters, outputs.shared, network.last_shared_parameters(), own)
    weighting.check(shared, compiled=False)
    goals = dict(zip(TASKS, (0.0, 1.0, -1.0), strict=True))
    losses = {task: (outputs.final[task] - goal).square().mean() for task, goal in goals.items()}
    weights = weighting.backward(losses, shared)
    return {name: p.grad for name, p in network.named_parameters() if p.grad is not None}, weights


def test_the_sum_of_all_rows_is_the_plain_sum(network: models.Network) -> None:
    """Where nothing is dropped both modes leave what a plain backward pass leaves, nested features included."""
    plain, _ = gradients(network, Fixed().build(list(TASKS)))
    for mode in ("parameters", "features"):
        everything = GradDropConfig(leak=dict.fromkeys(TASKS, 1.0), mode=mode)
        found, weights = gradients(network, everything.build(list(TASKS)))
        assert weights is None and found.keys() == plain.keys()
        for name, gradient in plain.items():
            torch.testing.assert_close(found[name], gradient, rtol=1e-9, atol=1e-12)


def test_both_modes_apply_the_same_weights_in_the_same_way(network: models.Network) -> None:
    found = [gradients(network, RandomGradientConfig(mode=mode).build(list(TASKS))) for mode in ("parameters", "features")]
    (first, weights), (second, again) = found
    assert weights == again
    for name, gradient in first.items():
        torch.testing.assert_close(second[name], gradient, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("options", [PCGradConfig(), PCGradConfig(mode="features"), ConFIGConfig(mode="features"), GradNormConfig()])
def test_every_parameter_gets_a_gradient(network: models.Network, options: PCGrad | ConFIG | GradNormConfig) -> None:
    plain, _ = gradients(network, Fixed().build(list(TASKS)))
    found, _ = gradients(network, options.build(list(TASKS)).double())
    assert found.keys() == plain.keys() and all(gradient.isfinite().all() for gradient in found.values())
