"""Balancing a real network."""

import pytest
import torch
from torch import Tensor

from taskscape import models
from taskscape.weighting import (
    BalancingContext,
    ConFIG,
    Fixed,
    GradDrop,
    GradNorm,
    PCGrad,
    RandomGradient,
    Weighting,
)

TASKS = {"semseg": 3, "depth": 1, "normals": 3}


@pytest.fixture(scope="module")
def network() -> models.Network:
    torch.manual_seed(0)
    return models.build("deeplab-branched", TASKS, encoder="resnet10t").double().eval()


def gradients(network: models.Network, weighting: Weighting) -> tuple[dict[str, Tensor], dict[str, Tensor] | None]:
    network.zero_grad()
    image = torch.rand(2, 3, 32, 48, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    outputs = network(image)
    goals = dict(zip(TASKS, (0.0, 1.0, -1.0), strict=True))
    losses = {task: (outputs.final[task] - goal).square().mean() for task, goal in goals.items()}
    context = BalancingContext.of(
        losses,
        shared=network.shared_parameters(),
        tasks=network.task_parameters(),
        features=outputs.shared,
        last=network.last_shared_parameters(),
    )
    weights = weighting.backward(losses, context)
    return {name: p.grad for name, p in network.named_parameters() if p.grad is not None}, weights


def test_the_sum_of_all_rows_is_the_plain_sum(network: models.Network) -> None:
    """If nothing is dropped, both modes give the gradients of a plain backward pass, including nested features."""
    plain, _ = gradients(network, Fixed(list(TASKS)))
    for mode in ("parameters", "features"):
        everything = GradDrop(list(TASKS), leak=dict.fromkeys(TASKS, 1.0), mode=mode)
        combined, weights = gradients(network, everything)
        assert weights is None and combined.keys() == plain.keys()
        for name, gradient in plain.items():
            torch.testing.assert_close(combined[name], gradient, rtol=1e-9, atol=1e-12)


def test_both_modes_apply_the_same_weights_in_the_same_way(network: models.Network) -> None:
    first, weights = gradients(network, RandomGradient(list(TASKS), mode="parameters"))
    second, again = gradients(network, RandomGradient(list(TASKS), mode="features"))
    assert weights == again
    for name, gradient in first.items():
        torch.testing.assert_close(second[name], gradient, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(
    "weighting",
    [
        PCGrad(list(TASKS)),
        PCGrad(list(TASKS), mode="features"),
        ConFIG(list(TASKS), mode="features"),
        GradNorm(list(TASKS)),
    ],
)
def test_every_parameter_gets_a_gradient(network: models.Network, weighting: Weighting) -> None:
    plain, _ = gradients(network, Fixed(list(TASKS)))
    balanced, _ = gradients(network, weighting.double())
    assert balanced.keys() == plain.keys() and all(gradient.isfinite().all() for gradient in balanced.values())
