"""A context must list all trained parameters: others would never be trained. Its losses are scalars that can train."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from taskscape import models
from taskscape.weighting import (
    CONFIGS,
    DBMTL,
    DWA,
    FAMO,
    IMTLL,
    BalancingContext,
    ExcessMTL,
    Fixed,
    Geometric,
    GradDrop,
    GradNorm,
    PCGrad,
    Uncertainty,
    Weighting,
)
from taskscape.weighting.gradients import Mode, reached_parameters


def two_heads() -> tuple[nn.Linear, nn.ModuleDict, Tensor, dict[str, Tensor]]:
    torch.manual_seed(0)
    encoder, heads = nn.Linear(4, 6), nn.ModuleDict({"a": nn.Linear(6, 1), "b": nn.Linear(6, 2)})
    features = encoder(torch.randn(5, 4))
    return encoder, heads, features, {task: head(features).square().mean() for task, head in heads.items()}


def test_the_last_shared_layer_is_the_last_with_a_matrix() -> None:
    encoder = nn.Sequential(nn.Linear(4, 5), nn.Linear(5, 6), nn.BatchNorm1d(6))
    losses = {"a": encoder(torch.randn(3, 4)).square().mean()}
    (last,) = BalancingContext.of(losses, shared=encoder.parameters(), tasks=[]).last
    assert last is encoder[1].weight


@pytest.mark.parametrize("mode", ["parameters", "features"])
def test_heads_that_would_stay_untrained_are_named(mode: Mode) -> None:
    encoder, heads, features, losses = two_heads()
    context = BalancingContext.of(
        losses, shared=encoder.parameters(), tasks=heads["a"].parameters(), features=[features]
    )
    with pytest.raises(ValueError, match=r"2 trained parameters \(.*\(2, 6\).*tasks=heads.parameters"):
        PCGrad(["a", "b"], mode=mode).backward(losses, context)
    assert encoder.weight.grad is None

    heads["b"].requires_grad_(False)  # frozen parameters may be left out
    losses = {task: head(features).square().mean() for task, head in heads.items()}
    PCGrad(["a", "b"], mode=mode).backward(losses, context)
    assert encoder.weight.grad is not None


def test_a_way_past_the_features_is_named() -> None:
    encoder, heads, features, losses = two_heads()
    losses["a"] = losses["a"] + encoder.weight.square().mean()
    context = BalancingContext.of(losses, shared=encoder.parameters(), tasks=heads.parameters(), features=[features])
    with pytest.raises(ValueError, match="past the shared features"):
        PCGrad(["a", "b"], mode="features").backward(losses, context)
    PCGrad(["a", "b"], mode="parameters").backward(losses, context)


def test_a_task_of_a_later_step_is_checked_too() -> None:
    balance = PCGrad(["a", "b"])
    for task, message in {"a": None, "b": r"2 trained parameters \(.*tasks=heads.parameters"}.items():
        encoder, heads, _, losses = two_heads()
        present = {task: losses[task]}
        context = BalancingContext.of(present, shared=encoder.parameters(), tasks=heads["a"].parameters())
        if message is None:
            balance.backward(present, context)
        else:
            with pytest.raises(ValueError, match=message):
                balance.backward(present, context)


@pytest.mark.parametrize("kind", [PCGrad, GradNorm])
def test_layers_that_are_called_again_in_the_backward_pass_are_refused_where_they_are_needed(
    kind: type[Weighting],
) -> None:
    """Otherwise the gradients of single losses would be zero there, and the weights arbitrary."""
    encoder, heads, _, _ = two_heads()
    x = torch.randn(5, 4, requires_grad=True)
    for reentrant, mode in ((False, "parameters"), (True, "parameters"), (True, "features")):
        encoder.zero_grad()
        features = checkpoint(encoder, x, use_reentrant=reentrant)
        losses = {task: head(features).square().mean() for task, head in heads.items()}
        context = BalancingContext.of(
            losses, shared=encoder.parameters(), tasks=heads.parameters(), features=[features]
        )
        if reentrant and (mode == "parameters" or kind is GradNorm):
            with pytest.raises(ValueError, match="pass use_reentrant=False"):
                kind(["a", "b"]).backward(losses, context)
        else:
            kind(["a", "b"], **({"mode": mode} if kind is PCGrad else {})).backward(losses, context)
            assert encoder.weight.grad is not None and encoder.weight.grad.any()


def test_gradnorm_needs_a_layer_that_all_losses_use() -> None:
    encoder, heads, _, losses = two_heads()
    for last in (heads["a"].parameters(), nn.Linear(2, 2).parameters(), encoder.weight):  # a tensor is its rows
        context = BalancingContext.of(losses, shared=encoder.parameters(), tasks=heads.parameters(), last=last)
        with pytest.raises(ValueError, match=r"the loss of [ab] does not depend on the last shared layer"):
            GradNorm(["a", "b"]).backward(losses, context)


def test_excess_mtl_needs_parameters_that_all_losses_use() -> None:
    encoder, heads, _, losses = two_heads()
    context = BalancingContext.of(losses, shared=heads["a"].parameters(), tasks=encoder.parameters())
    with pytest.raises(ValueError, match="the loss of b does not depend on the shared parameters"):
        ExcessMTL(["a", "b"]).backward(losses, context)


@pytest.mark.parametrize("mode", ["parameters", "features"])
def test_a_parameter_that_is_listed_twice_counts_once(mode: Mode) -> None:
    gradients = []
    for twice in (False, True):
        encoder, heads, features, losses = two_heads()
        all_parameters = [*encoder.parameters(), *heads.parameters()]
        context = BalancingContext.of(
            losses,
            shared=[*encoder.parameters()] * (1 + twice),
            tasks=[*all_parameters, *heads.parameters()] if twice else heads.parameters(),
            features=[features] * (1 + twice),
        )
        PCGrad(["a", "b"], mode=mode).backward(losses, context)
        gradients.append([p.grad for p in all_parameters])
    torch.testing.assert_close(gradients[1], gradients[0], rtol=0, atol=0)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({}, "losses is {}: give the loss of each task by its name"),
        ([torch.ones(())], "give the loss of each task by its name"),
        ({"a": 1.0}, "the loss of a is a float: give a scalar tensor"),
        ({"a": torch.ones(3, requires_grad=True)}, r"the loss of a is of shape \(3,\): give a scalar .* loss.mean\(\)"),
        ({"a": torch.zeros(())}, "the loss of a has no gradient.*leave the task out"),
    ],
)
def test_losses_that_cannot_be_balanced_are_named(wrong: Any, message: str) -> None:
    encoder, heads, _, _ = two_heads()
    with pytest.raises(ValueError, match=message):
        BalancingContext.of(wrong, shared=encoder.parameters(), tasks=heads.parameters())


@pytest.mark.parametrize("tasks", [2, "depth", [], ["a", "a"], [0, 1]])
def test_tasks_are_given_by_their_names(tasks: Any) -> None:
    with pytest.raises(ValueError, match=r"tasks is .*: give the names of the tasks, such as \['semseg', 'depth'\]"):
        PCGrad(tasks)


@pytest.mark.parametrize("name", CONFIGS)
def test_a_loss_of_an_unknown_task_is_named(name: str) -> None:
    encoder, heads, _, losses = two_heads()
    losses["c"] = losses.pop("b")
    context = BalancingContext.of(losses, shared=encoder.parameters(), tasks=heads.parameters())
    with pytest.raises(ValueError, match="a loss of 'c', but the tasks are a, b"):
        CONFIGS[name]().build(["a", "b"]).backward(losses, context)


@pytest.mark.parametrize("kind", [DBMTL, DWA, FAMO, Geometric, GradNorm, IMTLL, Uncertainty])
def test_a_negative_loss_has_no_size(kind: type[Weighting]) -> None:
    """Otherwise its logarithm would be NaN, its bound would give it all weight, or its weight would grow for ever."""
    encoder, heads, _, losses = two_heads()
    losses["b"] = losses["b"] - 100
    context = BalancingContext.of(losses, shared=encoder.parameters(), tasks=heads.parameters())
    with pytest.raises(ValueError, match=r"the loss of b is -.*scales losses by their size"):
        kind(["a", "b"]).backward(losses, context)


@pytest.mark.parametrize("between", [nn.Linear(6, 6), nn.Upsample(scale_factor=2)])
def test_features_computed_from_each_other_are_refused_and_views_are_right(between: nn.Module) -> None:
    """The gradient of the first would include that of the second, which would then count twice."""
    torch.manual_seed(0)
    first, heads = nn.Linear(4, 6), nn.ModuleDict({"a": nn.LazyLinear(1), "b": nn.LazyLinear(2)})
    shared, x = [*first.parameters(), *between.parameters()], torch.randn(5, 1, 4)

    def backward(weighting: Weighting, *, views: bool) -> list[Tensor | None]:
        features = [early := first(x), between(early)]
        features = [f.view_as(f) for f in features] if views else features
        losses = {task: head(torch.cat(features, 2)).square().mean() for task, head in heads.items()}
        for p in shared:
            p.grad = None
        weighting.backward(
            losses, BalancingContext.of(losses, shared=shared, tasks=heads.parameters(), features=features)
        )
        return [p.grad for p in shared]

    with pytest.raises(ValueError, match=r"computed from another.*view_as"):
        backward(PCGrad(["a", "b"], mode="features"), views=False)
    plain = backward(Fixed(["a", "b"]), views=False)
    keeps_all = GradDrop(["a", "b"], mode="features", leak={"a": 1.0, "b": 1.0})
    torch.testing.assert_close(backward(keeps_all, views=True), plain)


@pytest.mark.parametrize(
    "name", [name for name, config in models.CONFIGS.items() if config.network.has_shared_features]
)
def test_networks_of_the_package_leave_nothing_out(name: str) -> None:
    small = {"encoder": "resnet10t"} if hasattr(models.CONFIGS[name], "encoder") else {}
    with torch.device("meta"):
        network = models.build(name, {"semseg": 5, "depth": 1}, **small)
        outputs = network(torch.zeros(2, 3, 64, 64))
    reached = reached_parameters([raw.square().mean() for raw in outputs.values()], beyond=outputs.shared)
    assert {id(p) for p in reached} <= {id(p) for p in network.task_parameters()}


@pytest.mark.parametrize("name", CONFIGS)
def test_losses_are_matched_by_name(name: str) -> None:
    """A context that lists the tasks in another order exchanged their weights."""
    gradients = []
    for order in (["a", "b"], ["b", "a"]):
        encoder, heads, _, losses = two_heads()
        shuffled = {task: losses[task] for task in order}
        context = BalancingContext.of(shuffled, shared=encoder.parameters(), tasks=heads.parameters())
        CONFIGS[name]().build(["a", "b"]).backward(losses, context)
        gradients.append(torch.cat([parameter.grad.flatten() for parameter in heads.parameters()]))
    assert torch.equal(*gradients)


@pytest.mark.parametrize("kind", [DWA, FAMO, Fixed, Geometric, GradNorm, IMTLL, Uncertainty])
def test_a_context_of_other_losses_is_refused(kind: type[Weighting]) -> None:
    encoder, heads, _, losses = two_heads()
    context = BalancingContext.of({"a": losses["a"]}, shared=encoder.parameters(), tasks=heads.parameters())
    with pytest.raises(ValueError, match=r"the context has losses of a, and backward gets those of a, b: make it of"):
        kind(["a", "b"]).backward(losses, context)


@pytest.mark.parametrize("tasks", [{"a", "b"}, frozenset({"a", "b"})])
def test_tasks_have_an_order(tasks: Any) -> None:
    """That of a set differs between processes, but state dicts and several processes rely on it."""
    with pytest.raises(ValueError, match=r"tasks is the set .*give a list, such as \['a', 'b'\]"):
        Uncertainty(tasks)


def test_mean_losses_of_dwa_are_numbers_of_its_tasks() -> None:
    dwa, mean = DWA(["a", "b"]), torch.tensor(2.0, requires_grad=True)
    dwa.epoch_end({"a": mean * 1})  # type: ignore[dict-item]
    assert not dwa.last.requires_grad and dwa.last[0] == 2
    with pytest.raises(ValueError, match="a loss of 'c', but the tasks are a, b"):
        dwa.epoch_end({"c": 1.0})
