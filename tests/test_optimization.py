"""Optimizers, and schedules at known points of their formulas."""

from typing import Any

import pytest
import timm.optim
import torch
from torch import nn

from taskscape import models
from taskscape.serialization import structure, unstructure
from taskscape.training import fused
from taskscape.training.optimization import (
    OPTIMIZERS,
    SCHEDULES,
    AdamConfig,
    AdamWConfig,
    Constant,
    Cosine,
    OneCycle,
    OptimizerConfig,
    Poly,
    Schedule,
    SGDConfig,
    Step,
    build_optimizer,
    parameter_groups,
)
from taskscape.weighting import FixedConfig, GradNormConfig, UncertaintyConfig, WeightingConfig


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        (Constant(), {0: 1.0, 5: 1.0, 10: 1.0}),
        (Poly(), {0: 1.0, 5: 0.5**0.9, 10: 0.0}),
        (Poly(power=2.0), {0: 1.0, 7.5: 0.0625}),
        (Poly(power=1.0, per_epoch=True), {0.99: 1.0, 4.01: 0.6, 4.99: 0.6, 5: 0.5}),
        (Step(step_size=4, gamma=0.1), {0: 1.0, 3.99: 1.0, 4: 0.1, 9: 0.01}),
        (Cosine(), {0: 1.0, 5: 0.5, 10: 0.0}),
        (OneCycle(pct_start=0.25, start=0.04, end=0.0), {0: 0.04, 2.5: 1.0, 6.25: 0.5, 10: 0.0}),
        (Constant(warmup=2.0), {0: 0.0, 1: 0.5, 2: 1.0, 9: 1.0}),
        (Cosine(warmup=5.0), {2.5: 0.5 * (1 + 0.5**0.5) / 2, 5: 0.5}),
    ],
)
def test_schedules(schedule: Schedule, expected: dict[float, float]) -> None:
    for epoch, factor in expected.items():
        assert schedule.factor(epoch, 10) == pytest.approx(factor, abs=1e-12)


@pytest.mark.parametrize("schedule", [Poly(), Poly(power=2.0), Cosine(), OneCycle()])
def test_a_schedule_stays_at_its_end(schedule: Schedule) -> None:
    assert schedule.factor(10.5, 10) == schedule.factor(13, 10) == schedule.factor(10, 10)


def test_torch_agrees_where_it_has_the_same_schedule() -> None:
    optimizer = torch.optim.SGD(nn.Linear(1, 1).parameters(), lr=1.0)
    theirs = torch.optim.lr_scheduler.PolynomialLR(optimizer, total_iters=10, power=0.9)
    for epoch in range(10):
        assert Poly().factor(epoch, 10) == pytest.approx(theirs.get_last_lr()[0])
        optimizer.step()
        theirs.step()


@pytest.mark.parametrize("config", [SGDConfig(lr=0.5), AdamConfig(lr=0.5), AdamWConfig(lr=0.5)])
def test_a_group_may_have_its_own_rate_and_decay(config: OptimizerConfig) -> None:
    a, b = nn.Parameter(torch.ones(1)), nn.Parameter(torch.ones(1))
    optimizer = config.build([{"params": [a]}, {"params": [b], "lr": 0.1, "weight_decay": 0.0}])
    assert [group["lr"] for group in optimizer.param_groups] == [0.5, 0.1]
    assert optimizer.param_groups[1]["weight_decay"] == 0.0


@pytest.mark.parametrize("config", [SGDConfig(lr=0.5), SGDConfig(nesterov=True), AdamConfig(), AdamWConfig()])
def test_some_parameters_may_lack_a_gradient_at_first(config: OptimizerConfig) -> None:
    """As after a step in which a task had no label; the result equals that of a separate optimizer."""
    a, b, alone = (nn.Parameter(torch.ones(3)) for _ in range(3))
    both, single = config.build([{"params": [a, b]}]), config.build([{"params": [alone]}])
    for step in range(4):
        both.zero_grad()
        for parameter in [a] if step == 0 else [a, b, alone]:
            parameter.grad = torch.tensor([1.0, -2.0, 0.5]) * (step + 1)
        both.step()
        single.step()
    assert torch.equal(b, alone) and not torch.equal(a, b)


SETTINGS: dict[type[OptimizerConfig], dict[str, Any]] = {
    SGDConfig: {"lr": 0.1, "momentum": 0.8, "weight_decay": 0.01, "nesterov": True},
    AdamConfig: {"lr": 0.1, "betas": (0.8, 0.7), "weight_decay": 0.02},
    AdamWConfig: {"lr": 0.1, "betas": (0.8, 0.7), "weight_decay": 0.5},
}


@pytest.mark.parametrize(
    ("config", "of_torch"),
    [(SGDConfig, torch.optim.SGD), (AdamConfig, torch.optim.Adam), (AdamWConfig, torch.optim.AdamW)],
)
@pytest.mark.parametrize("changed", [False, True])
def test_optimizers_are_those_of_torch(config: Any, of_torch: Any, changed: bool) -> None:
    """With all settings, and with the defaults of their own."""
    settings = SETTINGS[config] if changed else {name: getattr(config(), name) for name in SETTINGS[config]}
    ours, theirs = nn.Parameter(torch.ones(3)), nn.Parameter(torch.ones(3))
    optimizers = [
        config(**SETTINGS[config] if changed else {}).build([{"params": [ours]}]),
        of_torch([theirs], **settings, fused=True),
    ]
    for step in range(4):
        for parameter, optimizer in zip((ours, theirs), optimizers, strict=True):
            parameter.grad = torch.tensor([1.0, -2.0, 0.5]) * (step + 1)
            optimizer.step()
    assert torch.equal(ours, theirs)


@pytest.mark.parametrize(
    ("weighting", "rates"),
    [(FixedConfig(), [0.5]), (UncertaintyConfig(), [0.5, 0.5]), (GradNormConfig(lr=0.02), [0.5, 0.02])],
)
def test_what_a_weighting_learns_has_no_weight_decay(weighting: WeightingConfig, rates: list[float]) -> None:
    network = nn.Linear(2, 3)
    network.bias.requires_grad_(False)
    optimizer = AdamWConfig(lr=0.5).build(parameter_groups(network, weighting.build(["a", "b"])))
    assert [group["lr"] for group in optimizer.param_groups] == rates
    assert optimizer.param_groups[0]["params"] == [network.weight]
    assert all(group["weight_decay"] == 0 for group in optimizer.param_groups[1:])


@pytest.mark.parametrize("cls", [*OPTIMIZERS, *SCHEDULES])
def test_settings_are_saved_by_name(cls: type[OptimizerConfig] | type[Schedule]) -> None:
    content = unstructure(cls())
    assert content["type"] == cls.name
    base = OptimizerConfig if issubclass(cls, OptimizerConfig) else Schedule
    assert structure(content, "test", base) == cls()


@pytest.mark.parametrize("encoder", ["resnet18", "convnext_atto", "test_vit", "tf_efficientnet_lite0"])
def test_layers_of_an_encoder_have_the_rates_that_timm_gives_them(encoder: str) -> None:
    network = models.build("deeplab-plain", {"depth": 1}, encoder=encoder, output_stride=32)
    config = AdamWConfig(lr=0.5, layer_decay=0.8, encoder_lr=0.25)
    optimizer = build_optimizer(config, network, FixedConfig().build(["depth"]))
    whole = timm.create_model(encoder)
    names = {id(parameter): name.replace("_", ".") for name, parameter in whole.named_parameters()}
    groups: list[dict[str, Any]] = timm.optim.param_groups_layer_decay(whole, layer_decay=0.8)
    theirs = {names[id(p)]: group["lr_scale"] for group in groups for p in group["params"]}
    rates = {id(p): group["lr"] for group in optimizer.param_groups for p in group["params"]}
    for name, parameter in network.named_parameters():
        inside = name.removeprefix("encoder.backbone.").removeprefix("model.").replace("_", ".")
        factor = 0.25 * theirs[inside] if name.startswith("encoder.") else 1.0
        assert rates[id(parameter)] == pytest.approx(0.5 * factor, rel=1e-12), name
    assert len(rates) == len(list(network.parameters()))
    assert optimizer.param_groups[0]["lr"] == 0.5 and "lr_scale" not in optimizer.param_groups[0]


def test_factors_that_are_1_leave_one_group() -> None:
    network = models.build("deeplab-plain", {"depth": 1}, encoder="resnet10t")
    optimizer = build_optimizer(SGDConfig(), network, FixedConfig().build(["depth"]))
    assert [group["params"] for group in optimizer.param_groups] == [list(network.parameters())]


def test_frozen_layers_are_not_handed_to_the_optimizer() -> None:
    network = models.build("deeplab-plain", {"depth": 1}, encoder="resnet10t", freeze="all")
    config = AdamConfig(layer_decay=0.5)
    (group,) = build_optimizer(config, network, FixedConfig().build(["depth"])).param_groups
    assert group["params"] == [p for p in network.parameters() if p.requires_grad]
    assert len(group["params"]) < 10


def test_factors_of_an_encoder_need_one() -> None:
    network = models.build("segnet-split", {"depth": 1}, widths=(8, 8, 16))
    for config in (AdamConfig(encoder_lr=0.1), AdamConfig(layer_decay=0.9)):
        with pytest.raises(ValueError, match="this network has no encoder"):
            build_optimizer(config, network, FixedConfig().build(["depth"]))
    with pytest.raises(ValueError, match=r"layer_decay is 1\.1: it must be above 0 and at most 1"):
        AdamConfig(layer_decay=1.1)


@pytest.mark.parametrize(("config", "theirs"), [(AdamConfig(), torch.optim.Adam), (AdamWConfig(), torch.optim.AdamW)])
def test_weights_with_channels_last_are_updated_as_by_torch_and_stay_so(
    config: AdamConfig | AdamWConfig, theirs: type[torch.optim.Optimizer]
) -> None:
    generator = torch.Generator().manual_seed(0)
    start = torch.randn(5, 7, 3, 3, generator=generator).contiguous(memory_format=torch.channels_last)
    ours, reference = nn.Parameter(start.clone()), nn.Parameter(start.clone())
    options: dict[str, Any] = {"lr": config.lr, "weight_decay": config.weight_decay, "fused": True}
    optimizers = config.build([{"params": [ours]}]), theirs([reference], **options)
    for _ in range(3):
        gradient = torch.randn(5, 7, 3, 3, generator=generator).contiguous(memory_format=torch.channels_last)
        ours.grad, reference.grad = gradient.clone(), gradient.clone()
        for optimizer in optimizers:
            optimizer.step()
    assert torch.equal(ours, reference) and ours.stride() == start.stride()
    average = optimizers[0].state[ours]["exp_avg"]
    assert average.shape == start.shape and torch.equal(average, optimizers[1].state[reference]["exp_avg"])


@pytest.mark.parametrize("config", [AdamConfig(), AdamWConfig()])
def test_torch_gathers_the_tensors_of_a_step_where_they_are_brought_into_order(
    config: AdamConfig | AdamWConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """This uses a private method: if torch removed it, steps would take longer, and no result would reveal it."""
    ordered: list[torch.Tensor] = []
    in_order = fused._in_order
    monkeypatch.setattr(fused, "_in_order", lambda x: ordered.append(x) or in_order(x))
    parameter = nn.Parameter(torch.ones(5, 7, 3, 3).contiguous(memory_format=torch.channels_last))
    parameter.grad = torch.ones_like(parameter)
    optimizer = config.build([{"params": [parameter]}])
    optimizer.step()
    state = optimizer.state[parameter]
    for x in (parameter, parameter.grad, state["exp_avg"], state["exp_avg_sq"]):
        assert any(x is other for other in ordered)
