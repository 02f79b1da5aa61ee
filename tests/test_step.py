"""One training step, with a tiny network and handmade batches."""

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from torch import Tensor

from blocks import blocks
from taskscape.batch import Batch, Target
from taskscape.errors import TrainingError
from taskscape.modalities.class_sets import CITYSCAPES_2
from taskscape.objectives import Supervised
from taskscape.tasks import Depth, SemanticSegmentation, Task
from taskscape.training.compilation import reusable_buffers
from taskscape.training.finite import check_finite
from taskscape.training.optimization import AdamConfig, AdamWConfig, OptimizerConfig, SGDConfig, parameter_groups
from taskscape.training.step import TrainingStep
from taskscape.weighting import FixedConfig, GradNormConfig, UncertaintyConfig
from taskscape.weighting.base import BalancingContext, Losses, Weighting, WeightingConfig
from tiny import Tiny

TASKS: Mapping[str, Task] = {"semseg": SemanticSegmentation(CITYSCAPES_2), "depth": Depth()}
PLAIN_SUM, ADAM = FixedConfig(), AdamConfig(lr=1e-2)


def batch(images: int = 4) -> Batch:
    rng = np.random.default_rng(0)
    samples = [blocks(rng, 2) for _ in range(images)]
    ids, depth = (torch.from_numpy(np.stack([s.values[field] for s in samples])) for field in TASKS)
    valid = [torch.from_numpy(np.stack([s.valid[field] for s in samples])) for field in TASKS]
    image = torch.from_numpy(np.stack([s.values["image"] for s in samples])).permute(0, 3, 1, 2) / 255
    targets = {"semseg": Target(ids.long(), valid[0]), "depth": Target(depth[:, None], valid[1])}
    return Batch(image, targets, torch.arange(images))


def without_labels(full: Batch, *tasks: str) -> Batch:
    none = {name: Target(full.targets[name].value, torch.zeros_like(full.targets[name].valid)) for name in tasks}
    return full._replace(targets={**full.targets, **none})


def training_step(
    weighting: WeightingConfig = PLAIN_SUM,
    optimizer: OptimizerConfig = ADAM,
    dropout: float = 0.0,
    **options: Any,
) -> TrainingStep:
    torch.manual_seed(0)
    network = Tiny({name: task.channels for name, task in TASKS.items()}, dropout=dropout)
    built = weighting.build(tuple(TASKS))
    groups = parameter_groups(network, built)
    return TrainingStep(network, TASKS, Supervised(), built, optimizer.build(groups), **options)


def parameters(step: TrainingStep) -> Tensor:
    return torch.cat([p.detach().flatten() for p in step.network.parameters()])


def test_losses_fall() -> None:
    step, data = training_step(), batch()
    losses = [step(data, index).losses for index in range(40)]
    for task in TASKS:
        assert losses[-1][task] < 0.7 * losses[0][task]


def test_the_result_is_the_losses_without_gradients() -> None:
    step, data = training_step(), batch()
    outputs = step.network(data.image)
    expected = Supervised()(TASKS, outputs.final, outputs.auxiliary, data.targets)
    losses, weights, _ = step(data, 0)
    assert list(losses) == list(TASKS) and set(weights) <= set(TASKS)
    for task, loss in losses.items():
        assert torch.equal(loss, expected[task].detach()) and not loss.requires_grad


def test_a_batch_without_labels_changes_nothing() -> None:
    step, data = training_step(), batch()
    before = parameters(step)
    losses, weights, _ = step(without_labels(data, *TASKS), 0)
    assert losses == {} and weights == {} and torch.equal(parameters(step), before)


def test_a_task_without_labels_is_left_out() -> None:
    step, data = training_step(), batch()
    before = {name: p.clone() for name, p in step.network.named_parameters()}
    assert list(step(without_labels(data, "depth"), 0).losses) == ["semseg"]
    for name, p in step.network.named_parameters():
        assert torch.equal(p, before[name]) == name.startswith("heads.depth")
        assert torch.isfinite(p).all()


@dataclass(frozen=True)
class SteepConfig(WeightingConfig):
    """The number that is put into the gradient of one weight."""

    name: ClassVar[str] = "steep"

    value: str = "nan"


class Steep(Weighting, config=SteepConfig):
    """The plain sum of finite losses, with a gradient that may not be finite."""

    one_backward = True
    config: SteepConfig

    def backward(self, losses: Losses, context: BalancingContext) -> None:
        torch.stack(list(losses.values())).sum().backward()
        assert context.last[0].grad is not None
        context.last[0].grad.view(-1)[3] = float(self.config.value)


OPTIMIZERS = (ADAM, AdamWConfig(), SGDConfig(), SGDConfig(momentum=0.0))


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=repr)
@pytest.mark.parametrize("value", ["nan", "inf", "-inf"])
@pytest.mark.parametrize("clip", [None, 1.0])
def test_a_step_whose_gradient_is_not_finite_is_not_taken(
    optimizer: OptimizerConfig, value: str, clip: float | None
) -> None:
    step = training_step(SteepConfig(value), optimizer, gradient_clip=clip)
    before = parameters(step)
    losses, _, norm = step(batch(), 0)
    assert all(loss.isfinite() for loss in losses.values()) and not norm.isfinite()
    assert torch.equal(parameters(step), before)
    step.check_finite()


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=repr)
def test_fused_optimizers_skip_such_a_step_without_being_told_by_the_host(optimizer: OptimizerConfig) -> None:
    """A GPU relies on this, since the host does not wait for the norm."""
    step = training_step(optimizer=optimizer)
    step(batch(), 0)
    before, state = parameters(step), copy.deepcopy(step.optimizer.state_dict()["state"])
    for parameter in step.network.parameters():
        parameter.grad = torch.full_like(parameter, float("nan"))
    vars(step.optimizer)["found_inf"] = torch.ones(())
    step.optimizer.step()
    assert torch.equal(parameters(step), before)
    for index, old in state.items():
        new = step.optimizer.state_dict()["state"][index]
        assert all(torch.equal(new[key], value) for key, value in old.items() if isinstance(value, Tensor))


def test_the_norm_is_that_of_all_gradients_before_they_are_clipped() -> None:
    whole, clipped = training_step(UncertaintyConfig()), training_step(UncertaintyConfig(), gradient_clip=1e-3)
    norms = [step(batch(), 0).gradient_norm for step in (whole, clipped)]
    learned = [p.grad for p in (*whole.network.parameters(), *whole.weighting.parameters()) if p.grad is not None]
    assert norms[0].item() == pytest.approx(torch.cat([g.flatten() for g in learned]).norm().item(), rel=1e-5)
    assert norms[1].item() == pytest.approx(norms[0].item(), rel=1e-5)


@pytest.mark.parametrize("place", ["the network's stem.weight", "the weighting's", "the optimizer's state"])
def test_what_is_not_finite_is_named(place: str) -> None:
    step = training_step(UncertaintyConfig())
    step(batch(), 0)
    step.check_finite()
    tensors = {
        "the network's stem.weight": step.network.get_parameter("stem.weight"),
        "the weighting's": next(step.weighting.parameters()),
        "the optimizer's state": step.optimizer.state[step.network.get_parameter("stem.bias")]["exp_avg"],
    }
    with torch.no_grad():
        tensors[place].view(-1)[1] = float("nan")
    with pytest.raises(TrainingError, match=f"{place}.* is not finite"):
        step.check_finite()


def test_a_sum_that_overflows_is_no_weight_that_is_not_finite() -> None:
    check_finite({"the network's": {"huge": torch.full((4,), 3e38), "count": torch.tensor(3)}})
    check_finite({})


def test_gradients_are_clipped() -> None:
    step = training_step(gradient_clip=1e-3)
    step(batch(), 0)
    norm = torch.stack([p.grad.norm() for p in step.network.parameters() if p.grad is not None]).norm()
    assert norm.item() == pytest.approx(1e-3, rel=1e-4)


def test_what_a_weighting_learns_gets_no_gradient_of_a_step_that_was_not_taken() -> None:
    plain, other = training_step(GradNormConfig(optimizer="adam")), training_step(GradNormConfig(optimizer="adam"))
    (left_over,) = other.weighting.parameters()
    left_over.grad = torch.tensor([1e3, -1e3])
    for step in (plain, other):
        step(batch(), 0)
    assert torch.equal(left_over, next(plain.weighting.parameters()))


def test_clipping_leaves_what_a_weighting_learns() -> None:
    whole, clipped = training_step(UncertaintyConfig()), training_step(UncertaintyConfig(), gradient_clip=1e-3)
    for step in (whole, clipped):
        step(batch(), 0)
    for learned, expected in zip(clipped.weighting.parameters(), whole.weighting.parameters(), strict=True):
        assert expected.grad is not None and expected.grad.any()
        torch.testing.assert_close(learned.grad, expected.grad)


def test_every_group_keeps_its_learning_rate() -> None:
    step = training_step(
        GradNormConfig(lr=0.02), SGDConfig(lr=0.5), learning_rate=lambda index: 1 / (1 + index), gradient_clip=1.0
    )
    for index in (0, 3):
        step(batch(), index)
        assert [group["lr"] for group in step.optimizer.param_groups] == [0.5 / (1 + index), 0.02 / (1 + index)]


def test_the_learning_rate_is_a_function_of_the_step() -> None:
    step = training_step(optimizer=SGDConfig(lr=0.5), learning_rate=lambda index: 1 / (1 + index))
    for index in (0, 3, 1):
        step(batch(), index)
        assert step.optimizer.param_groups[0]["lr"] == 0.5 / (1 + index)


def test_everything_random_is_a_function_of_seed_and_step() -> None:
    def after(seed: int, index: int) -> Tensor:
        step = training_step(dropout=0.5, seed=seed)
        torch.manual_seed(99)
        step(batch(), index)
        return parameters(step)

    assert torch.equal(after(1, 0), after(1, 0))
    assert not torch.equal(after(1, 0), after(1, 1)) and not torch.equal(after(1, 0), after(2, 0))


def test_without_a_seed_the_generator_is_left_alone() -> None:
    step, data = training_step(), batch()
    before = torch.get_rng_state()
    step(data, 0)
    assert torch.equal(torch.get_rng_state(), before)


def test_bf16_trains_close_to_float32() -> None:
    exact, rounded = training_step(), training_step(precision="bf16")
    for index in range(3):
        data = batch()
        expected, found = exact(data, index).losses, rounded(data, index).losses
        for name, loss in expected.items():
            assert found[name].dtype == torch.float32
            assert found[name].item() == pytest.approx(loss.item(), rel=0.05)


@dataclass(frozen=True)
class RecorderConfig(WeightingConfig):
    """Settings of ``Recorder``: none."""

    name: ClassVar[str] = "recorder"


class Recorder(Weighting, config=RecorderConfig):
    """The plain sum; records its arguments."""

    one_backward = True

    def backward(self, losses: Losses, context: BalancingContext) -> dict[str, Tensor]:
        self.losses, self.context = losses, context
        torch.stack(list(losses.values())).sum().backward()
        return {name: torch.ones(()) for name in losses}

    def after_step(self, losses_again: Callable[[], Mapping[str, Tensor]]) -> None:
        self.again = losses_again()


def test_a_weighting_gets_the_network_s_own_account_of_what_is_shared() -> None:
    step = training_step(RecorderConfig())
    recorder: Any = step.weighting
    losses, weights, _ = step(batch(), 0)
    network, context = step.network, recorder.context
    assert set(context.parameters) == set(network.shared_parameters()) == set(network.stem.parameters())
    assert set(context.task_parameters) == set(network.heads.parameters())
    assert set(context.last) == set(network.last_shared_parameters())
    assert [feature.shape for feature in context.features] == [(4, 8, 32, 48)]
    assert all(torch.equal(context.global_losses[task], losses[task]) for task in TASKS)
    assert all(loss.requires_grad for loss in recorder.losses.values()) and weights == dict.fromkeys(TASKS, 1.0)
    for task in TASKS:  # after the step, on the same batch
        assert recorder.again[task] < losses[task] and not recorder.again[task].requires_grad


def test_torchs_setting_is_put_back() -> None:
    from torch._functorch import config

    before = config.donated_buffer
    with pytest.raises(RuntimeError), reusable_buffers():
        assert config.donated_buffer is False
        raise RuntimeError
    assert config.donated_buffer == before


def test_the_optimizer_s_settings_hold() -> None:
    """Compare with plain gradient descent computed by hand."""
    step = training_step(optimizer=SGDConfig(lr=0.1, momentum=0.0, weight_decay=0.0))
    before = parameters(step)
    step(batch(), 0)
    gradient = torch.cat([p.grad.flatten() for p in step.network.parameters() if p.grad is not None])
    torch.testing.assert_close(parameters(step), before - 0.1 * gradient)
