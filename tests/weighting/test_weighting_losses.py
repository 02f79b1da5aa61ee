"""Every loss weighting against its equation in numpy float64."""

import copy
import warnings

import numpy as np
import pytest
import torch
from quadratics import TASKS, Quadratics

from taskscape.weighting import (
    BalancingContext,
    DWAConfig,
    ExcessMTLConfig,
    FAMOConfig,
    Fixed,
    FixedConfig,
    GeometricConfig,
    GradNorm,
    GradNormConfig,
    IMTLLConfig,
    RandomLossConfig,
    STCHConfig,
    UncertaintyConfig,
    Weighting,
    WeightingConfig,
)
from taskscape.weighting.base import Losses


def build(options: WeightingConfig, seed: int = 0) -> Weighting:
    return options.build(TASKS, seed).double()


def softmax(x: np.ndarray) -> np.ndarray:
    e = np.exp(x - x.max())
    return e / e.sum()


def test_fixed() -> None:
    q = Quadratics()
    gradient, weights = q.step(build(FixedConfig({"depth": 0.25})))
    np.testing.assert_allclose(weights, [1, 0.25, 1])
    np.testing.assert_allclose(gradient, q.gradients().T @ [1, 0.25, 1])
    np.testing.assert_allclose([u.grad.item() for u in q.own], q.own_gradients() * [1, 0.25, 1])


def test_a_negative_weight_of_a_method_of_ones_own_lets_its_loss_rise() -> None:
    class Adversarial(Fixed):
        def weights(self, losses: Losses) -> torch.Tensor:
            return torch.tensor([1.0, -0.5, 1.0])

    q = Quadratics()
    gradient, weights = q.step(Adversarial(TASKS).double())
    np.testing.assert_allclose(weights, [1, -0.5, 1])
    np.testing.assert_allclose(gradient, q.gradients().T @ [1, -0.5, 1])


def test_fixed_weights_are_on_the_device_of_the_losses() -> None:
    fixed = FixedConfig({"depth": 0.25}).build(TASKS).to("meta")
    assert isinstance(fixed, Fixed) and not fixed.state_dict()
    assert fixed.weights(dict.fromkeys(TASKS, torch.ones((), device="meta"))).device.type == "meta"


class TestDWA:
    def test_is_a_plain_sum_in_the_first_two_epochs(self) -> None:
        q, dwa = Quadratics(), build(DWAConfig())
        for mean in (3.0, 1.0):
            np.testing.assert_array_equal(q.step(dwa)[1], [1, 1, 1])
            dwa.epoch_end({"semseg": mean, "depth": 5.0, "normals": mean**2})
        assert (q.step(dwa)[1] != 1).all()

    def test_equation(self) -> None:
        q, dwa = Quadratics(), build(DWAConfig(temperature=1.5))
        history = np.array([[3.0, 5.0, 9.0], [1.0, 4.0, 8.5], [0.9, 4.2, 8.0]])
        for epoch in history:
            dwa.epoch_end(dict(zip(TASKS, epoch, strict=True)))
        expected = 3 * softmax(history[2] / history[1] / 1.5)
        gradient, weights = q.step(dwa)
        np.testing.assert_allclose(weights, expected, rtol=1e-12)
        np.testing.assert_allclose(gradient, q.gradients().T @ expected, rtol=1e-12)

    def test_does_not_change_with_the_scale_of_a_loss(self) -> None:
        plain, scaled = build(DWAConfig()), build(DWAConfig())
        for epoch in ([3.0, 5.0, 9.0], [1.0, 4.0, 8.5]):
            plain.epoch_end(dict(zip(TASKS, epoch, strict=True)))
            scaled.epoch_end(dict(zip(TASKS, np.multiply(epoch, [100, 1, 0.01]), strict=True)))
        np.testing.assert_allclose(Quadratics().step(plain)[1], Quadratics().step(scaled)[1])

    def test_a_task_that_was_absent_for_an_epoch_keeps_its_rate(self) -> None:
        q, dwa = Quadratics(), build(DWAConfig())
        dwa.epoch_end({"semseg": 3.0, "depth": 5.0, "normals": 9.0})
        dwa.epoch_end({"semseg": 1.0, "depth": 4.0})
        np.testing.assert_allclose(q.step(dwa)[1], 3 * softmax(np.array([1 / 3, 4 / 5, 1]) / 2))
        dwa.epoch_end({"semseg": 0.5, "normals": 6.0})
        np.testing.assert_allclose(q.step(dwa)[1], 3 * softmax(np.array([0.5, 4 / 5, 6 / 9]) / 2))

    def test_a_loss_of_zero_is_no_rate(self) -> None:
        q, dwa = Quadratics(), build(DWAConfig())
        for _ in range(3):
            dwa.epoch_end({"semseg": 1.0, "depth": 0.0, "normals": 1.0})
        np.testing.assert_allclose(q.step(dwa)[1], [1, 1, 1])


@pytest.mark.parametrize(
    ("variant", "penalty", "start"), [("mtan", 0.5, -0.5), ("kendall", 0.5, 0.0), ("xtask", 1.0, 0.0)]
)
def test_uncertainty(variant: str, penalty: float, start: float) -> None:
    q, weighting = Quadratics(), build(UncertaintyConfig(variant))
    gradient, weights = q.step(weighting)
    expected = np.exp(-start) / 2 * np.ones(3)
    np.testing.assert_allclose(weights, expected)
    np.testing.assert_allclose(gradient, q.gradients().T @ expected)
    (s,) = weighting.parameters()
    np.testing.assert_allclose(s.detach(), start)
    np.testing.assert_allclose(s.grad, -expected * q.losses() + penalty)
    s.grad = None
    q.step(weighting, "depth")
    np.testing.assert_allclose(s.grad, (-expected * q.losses() + penalty) * [1, 0, 1])


def test_imtl_l_brings_all_losses_to_one_size() -> None:
    q, weighting = Quadratics(scale=(1, 100, 0.01)), build(IMTLLConfig())
    (s,) = weighting.parameters()
    with torch.no_grad():
        s.copy_(torch.tensor([0.1, -0.2, 0.3]))
    gradient, weights = q.step(weighting)
    np.testing.assert_allclose(weights, np.exp([0.1, -0.2, 0.3]))
    np.testing.assert_allclose(gradient, q.gradients().T @ weights)
    np.testing.assert_allclose(s.grad, weights * q.losses() - 1)
    optimizer = torch.optim.Adam([s], 0.05, betas=(0.9, 0.9))
    for _ in range(500):
        optimizer.zero_grad()
        q.step(weighting)
        optimizer.step()
    np.testing.assert_allclose(q.step(weighting)[1] * q.losses(), 1, rtol=0.01)


def test_random_loss_weights_are_a_softmax_of_normal_numbers() -> None:
    q, weighting = Quadratics(), build(RandomLossConfig(), seed=1)
    drawn = np.stack([q.step(weighting)[1] for _ in range(400)])
    np.testing.assert_allclose(drawn.sum(1), 1)
    # Differences of logarithms equal those of independent standard normal numbers.
    np.testing.assert_allclose(np.cov(np.diff(np.log(drawn)).T), [[2, -1], [-1, 2]], atol=0.4)
    gradient, weights = q.step(weighting)
    np.testing.assert_allclose(gradient, q.gradients().T @ weights)
    again = build(RandomLossConfig(), seed=1)
    np.testing.assert_array_equal(drawn[0], q.step(again)[1])
    assert not np.allclose(drawn[0], q.step(build(RandomLossConfig(), seed=2))[1])
    assert q.step(again, "depth")[1].sum() == pytest.approx(1)


def test_random_weights_with_the_largest_seed() -> None:
    """A run accepts any seed below 2⁶³."""
    assert Quadratics().step(build(RandomLossConfig(), seed=2**63 - 1))[1].sum() == pytest.approx(1)


class TestGeometric:
    def test_equation(self) -> None:
        q = Quadratics()
        gradient, weights = q.step(build(GeometricConfig()))
        expected = q.losses().prod() ** (1 / 3) / (3 * q.losses())
        np.testing.assert_allclose(weights, expected, rtol=1e-12)
        np.testing.assert_allclose(gradient, q.gradients().T @ expected, rtol=1e-12)
        np.testing.assert_allclose(q.step(build(GeometricConfig()), "depth")[1].size, 2)

    def test_a_loss_of_zero_gives_no_nan(self) -> None:
        losses = {"semseg": torch.tensor(0.0, requires_grad=True), "depth": torch.tensor(2.0, requires_grad=True)}
        context = BalancingContext.of(losses, shared=[], tasks=[])
        build(GeometricConfig()).backward(losses, context)
        assert all(loss.grad.isfinite() for loss in losses.values())


def test_stch() -> None:
    q = Quadratics()
    weighting = build(STCHConfig(mu=0.3, preference={"depth": 2.0}, ideal={"semseg": 0.2}))
    scale, ideal = np.array([0.25, 0.5, 0.25]), np.array([0.2, 0, 0])
    gradient, weights = q.step(weighting)
    expected = scale * softmax(scale * (q.losses() - ideal) / 0.3)
    np.testing.assert_allclose(weights, expected, rtol=1e-12)
    np.testing.assert_allclose(gradient, q.gradients().T @ expected, rtol=1e-12)
    # With a small mu only the largest loss counts, and nothing overflows.
    sharp = q.step(build(STCHConfig(mu=1e-6)))[1]
    np.testing.assert_allclose(sharp, np.where(q.losses() == q.losses().max(), 1 / 3, 0), atol=1e-12)


class TestFAMO:
    def test_equation(self) -> None:
        q, weighting = Quadratics(), build(FAMOConfig(lr=0.1, weight_decay=0.01))
        logits, m, v = np.zeros(3), np.zeros(3), np.zeros(3)
        for step in range(1, 6):
            before = q.losses() + 1e-8
            z = softmax(logits)
            gradient, weights = q.step(weighting)
            expected = z / before / (z / before).sum()
            np.testing.assert_allclose(weights, expected, rtol=1e-9)
            np.testing.assert_allclose(gradient, q.gradients().T @ expected, rtol=1e-9)
            with torch.no_grad():
                q.theta -= 0.01 * torch.tensor(gradient)
            fell = np.log(before) - np.log(q.losses() + 1e-8)
            weighting.after_step(q.global_losses)
            g = (np.diag(z) - np.outer(z, z)) @ fell + 0.01 * logits
            m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
            logits = logits - 0.1 * (m / (1 - 0.9**step)) / (np.sqrt(v / (1 - 0.999**step)) + 1e-8)

    def test_nothing_is_left_for_the_optimizer_of_the_run(self) -> None:
        q, weighting = Quadratics(), build(FAMOConfig())
        q.step(weighting)
        weighting.after_step(q.global_losses)
        assert all(p.grad is None and not p.requires_grad for p in weighting.parameters())

    def test_losses_computed_again_are_taken_by_name(self) -> None:
        logits = []
        for order in (("a", "b"), ("b", "a")):
            x = torch.nn.Parameter(torch.ones(()))
            weighting = FAMOConfig().build(["a", "b"])
            for after in (0.9, 0.6):
                losses = {"a": x * 1, "b": x * 100}
                weighting.backward(losses, BalancingContext.of(losses, shared=[x], tasks=[]))
                again = {"a": x * after, "b": x * 90}
                weighting.after_step(lambda again=again, order=order: {task: again[task] for task in order})
            logits.append(weighting.logits.detach().clone())
        assert torch.equal(*logits)
        with pytest.raises(ValueError, match="after_step gets losses of a, and backward had those of a, b"):
            weighting.after_step(lambda: {"a": x})


@pytest.mark.parametrize("options", [GeometricConfig(), FAMOConfig()])
def test_the_direction_does_not_change_with_the_scale_of_a_loss(options: WeightingConfig) -> None:
    directions = []
    for scale in ((1.0, 1.0, 1.0), (100.0, 1.0, 0.01)):
        q = Quadratics(scale)
        for u in q.own:
            u.data.fill_(1.0)  # so that the whole loss is scaled
        gradient, _ = q.step(build(options))
        directions.append(gradient / np.linalg.norm(gradient))
    np.testing.assert_allclose(*directions, rtol=1e-4)


class TestExcessMTL:
    def test_equation(self) -> None:
        weighting = build(ExcessMTLConfig(step_size=0.3))
        sums, initial, expected = np.zeros((3, 4)), np.zeros(3), np.ones(3)
        for step in range(5):
            q = Quadratics((1.0, 0.5**step, 100.0))
            gradient, weights = q.step(weighting)
            sums += q.gradients() ** 2
            risks = (q.gradients() ** 2 / np.sqrt(sums)).sum(1)
            initial = risks if step == 0 else initial
            expected = expected * np.exp(0.3 * risks / initial)
            expected *= 3 / expected.sum()
            np.testing.assert_allclose(weights, expected, rtol=1e-6)
            np.testing.assert_allclose(gradient, q.gradients().T @ weights, rtol=1e-9)
            np.testing.assert_allclose([u.grad.item() for u in q.own], q.own_gradients() * weights, rtol=1e-9)
        assert expected[1] < 0.9 < expected[0] == pytest.approx(expected[2])

    def test_absent_tasks(self) -> None:
        weighting = build(ExcessMTLConfig(step_size=0.3))
        squares, initial, logits = np.zeros((3, 4)), np.full(3, np.nan), np.zeros(3)
        for step, absent in enumerate((("normals",), (), ("depth",), ("semseg",), ())):
            q = Quadratics((1.0, 0.5**step, 3.0**step))
            present = np.array([task not in absent for task in TASKS])
            squares[present] += q.gradients()[present] ** 2
            risks = (q.gradients() ** 2 / np.sqrt(squares + 1e-300)).sum(1)
            initial = np.where(np.isnan(initial) & present, risks, initial)
            relative = (risks / initial)[present]
            logits[present] += 0.3 * (relative - relative.mean())
            weights = q.step(weighting, *absent)[1]
            np.testing.assert_allclose(weights, present.sum() * softmax(logits[present]), rtol=1e-6)

    def test_weights_do_not_depend_on_the_scale_of_a_loss(self) -> None:
        found = []
        for scale in (1.0, 1e-6, 1e6):
            weighting = build(ExcessMTLConfig(step_size=0.3))
            for step in range(4):
                weights = Quadratics((scale * 0.5**step, 1.0, 1.0)).step(weighting)[1]
            found.append(weights)
        np.testing.assert_allclose(found[1:], [found[0]] * 2, rtol=1e-6)

    def test_a_step_that_is_not_finite_leaves_no_trace(self) -> None:
        def step(weighting: Weighting, vector: list[float]) -> list[float]:
            x = torch.nn.Parameter(torch.zeros(2))
            losses = {"a": 1 + x @ torch.tensor(vector), "b": 1 + x @ torch.tensor([2.0, 1.0])}
            weights = weighting.backward(losses, BalancingContext.of(losses, shared=[x], tasks=[]))
            assert weights is not None
            return [weight.item() for weight in weights.values()]

        weighting, other = (ExcessMTLConfig(step_size=0.3).build(["a", "b"]) for _ in range(2))
        for one in (weighting, other):
            step(one, [1.0, 2.0])
        step(weighting, [float("inf"), 1.0])
        weights = step(weighting, [0.1, 0.1])
        assert weights[0] < 0.95 and weighting.squares.matrix.isfinite().all()
        assert weights == pytest.approx(step(other, [0.1, 0.1]), rel=0.05)  # b has one more step


class TestGradNorm:
    def test_equation(self) -> None:
        q, weighting = Quadratics(), build(GradNormConfig(alpha=0.7, lr=0.1))
        (w,) = weighting.parameters()
        assert weighting.learning_rate == 0.1
        initial, expected = q.losses(), np.ones(3)
        for _ in range(4):
            gradient, weights = q.step(weighting)
            np.testing.assert_allclose(weights, expected, rtol=1e-12)
            np.testing.assert_allclose(gradient, q.gradients().T @ expected, rtol=1e-12)
            rates = q.losses() / initial

            def objective(x: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
                return (torch.stack([torch.tensor(g) * x[k] for k, g in enumerate(q.gradients())]).norm(dim=1)
                        - target).abs().sum()  # fmt: skip

            norms = expected * np.linalg.norm(q.gradients(), axis=1)
            target = norms.mean() * (rates / rates.mean()) ** 0.7
            x = torch.tensor(expected, requires_grad=True)
            (by_autograd,) = torch.autograd.grad(objective(x, torch.tensor(target)), x)
            np.testing.assert_allclose(w.grad, by_autograd, rtol=1e-12)
            with torch.no_grad():
                w -= 0.1 * w.grad
                q.theta -= 0.05 * torch.tensor(gradient)
            weighting.after_step(lambda: {})
            expected = np.maximum(expected - 0.1 * by_autograd.numpy(), 1e-8)
            expected *= 3 / expected.sum()
        assert w.sum().item() == pytest.approx(3)

    def test_rates_are_compared_with_their_mean(self) -> None:
        """Of two equally long gradients, that of the task that trains more slowly than the mean grows."""
        x = torch.nn.Parameter(torch.zeros(2, 2))
        weighting = GradNorm(["slow", "quick"])
        for losses in ((1.0, 1.0), (1.2, 0.8)):
            weighting.weight.grad = None
            named = {"slow": losses[0] + x[0].sum(), "quick": losses[1] + x[1].sum()}
            weighting.backward(named, BalancingContext.of(named, shared=[x], tasks=[], last=[x]))
        assert weighting.weight.grad is not None
        assert weighting.weight.grad.tolist() == pytest.approx([-(2**0.5), 2**0.5])

    def test_gradients_approach_their_targets(self) -> None:
        q, weighting = Quadratics(scale=(10, 1, 0.3)), build(GradNormConfig(alpha=0.0))
        (w,) = weighting.parameters()
        optimizer = torch.optim.Adam([w], 2e-3)

        def spread() -> float:
            norms = w.detach().numpy() * np.linalg.norm(q.gradients(), axis=1)
            return float(np.abs(norms / norms.mean() - 1).max())

        before = spread()
        for _ in range(1000):
            optimizer.zero_grad()
            q.step(weighting)
            optimizer.step()
            weighting.after_step(lambda: {})
        assert spread() < 0.1 < before

    def test_absent_tasks_keep_their_weight_and_note_their_loss_when_they_come(self) -> None:
        q, weighting = Quadratics(), build(GradNormConfig())
        (w,) = weighting.parameters()
        q.step(weighting, "depth")
        assert w.grad[1] == 0 and (w.grad[[0, 2]] != 0).any()
        initial = copy.deepcopy(weighting.initial)
        assert initial.isnan().tolist() == [False, True, False]
        with torch.no_grad():
            q.theta += 1
        q.step(weighting)
        np.testing.assert_allclose(weighting.initial, [initial[0], q.losses()[1], initial[2]])


def test_uncertainty_of_a_classification_has_no_half() -> None:
    q, weighting = Quadratics(), build(UncertaintyConfig("kendall", classification=(TASKS[1],)))
    weighting.log_variance.data.fill_(0.3)
    _, weights = q.step(weighting)
    factors = np.array([0.5, 1, 0.5])
    np.testing.assert_allclose(weights, factors * np.exp(-0.3))
    np.testing.assert_allclose(weighting.log_variance.grad, 0.5 - factors * np.exp(-0.3) * q.losses())
    with pytest.raises(ValueError, match=r"weighting\.classification: there is no task 'words'"):
        build(UncertaintyConfig(classification=("words",)))


def test_gradnorm_with_an_adam_of_its_own() -> None:
    q, weighting = Quadratics(), build(GradNormConfig(alpha=0.7, lr=0.1, optimizer="adam"))
    assert not [p for p in weighting.parameters() if p.requires_grad]  # none for the run's optimizer and schedule
    state: dict = {}
    for step in range(3):
        before = weighting.weight.detach().numpy().copy()
        q.step(weighting)
        gradient = weighting.weight.grad.numpy().copy()
        weighting.after_step(lambda: {})
        mean, square = state.get("mean", 0), state.get("square", 0)
        state = {"mean": 0.9 * mean + 0.1 * gradient, "square": 0.999 * square + 0.001 * gradient**2}
        corrected = state["mean"] / (1 - 0.9 ** (step + 1)), state["square"] / (1 - 0.999 ** (step + 1))
        moved = before - 0.1 * corrected[0] / (np.sqrt(corrected[1]) + 1e-8)
        np.testing.assert_allclose(weighting.weight.detach(), moved * 3 / moved.sum(), rtol=1e-12)
        resumed = build(GradNormConfig(alpha=0.7, lr=0.1, optimizer="adam"))
        resumed.load_state_dict(weighting.state_dict())
        weighting = resumed


@pytest.mark.parametrize("options", [FAMOConfig(), GradNormConfig(), GradNormConfig(optimizer="adam")])
def test_a_loop_that_leaves_out_after_step_is_warned_once(options: WeightingConfig) -> None:
    q, weighting = Quadratics(), build(options)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(50):  # several parts of a batch before each step
            for _ in range(4):
                q.step(weighting)
            weighting.after_step(q.global_losses)
    with pytest.warns(UserWarning, match=rf"{options.name}: backward was called 100 times without after_step") as said:
        for _ in range(300):
            q.step(weighting)
    assert len(said) == 1
