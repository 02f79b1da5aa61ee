"""Every gradient method against its equation in numpy float64, in both modes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import numpy as np
import pytest
import torch
import torchjd
from quadratics import TASKS, Array, Quadratics

from taskscape.weighting import (
    AggregatorWeighting,
    AlignedMTLConfig,
    BalancingContext,
    CAGradConfig,
    ConFIGConfig,
    DBMTLConfig,
    FairGradConfig,
    FixedConfig,
    GradDropConfig,
    GradientConfig,
    GradVacConfig,
    IMTLGConfig,
    MGDAConfig,
    NashMTL,
    NashMTLConfig,
    PCGradConfig,
    RandomGradientConfig,
    UPGradConfig,
    Weighting,
    WeightingConfig,
)
from taskscape.weighting.fairgrad import fair_weights
from taskscape.weighting.gramian import Gramian
from taskscape.weighting.nash_mtl import bargain

Options = Callable[..., WeightingConfig]


@pytest.fixture(params=["parameters", "features"])
def mode(request: pytest.FixtureRequest) -> str:
    return request.param


def rows(q: Quadratics, mode: str, *absent: str) -> Array:
    """Return the matrix of gradients that the method gets."""
    present = [k for k, task in enumerate(TASKS) if task not in absent]
    return (q.gradients() if mode == "parameters" else q.feature_gradients())[present]


def combined(q: Quadratics, options: WeightingConfig, *absent: str) -> tuple[Array, Array]:
    """Return the combined gradient at θ, and the weights."""
    return q.step(options.build(TASKS).double(), *absent)


def at_theta(q: Quadratics, mode: str, vector: Array) -> Array:
    """Return a combined gradient at θ: one at the features is propagated through the encoder."""
    return vector if mode == "parameters" else vector @ q.encoder


def pcgrad_of_two(a: Array, b: Array) -> Array:
    d = a @ b
    return a + b if d >= 0 else a - d / (b @ b) * b + b - d / (a @ a) * a


def test_the_problem_has_a_conflict(mode: str) -> None:
    g = rows(Quadratics(), mode)
    assert g[0] @ g[1] < 0


def test_own_parameters_get_the_plain_sum(mode: str) -> None:
    q = Quadratics()
    combined(q, PCGradConfig(mode=mode))
    np.testing.assert_allclose([u.grad.item() for u in q.own], q.own_gradients())
    combined(q, PCGradConfig(mode=mode), "depth")
    assert q.own[1].grad is None


def test_pcgrad(mode: str) -> None:
    q = Quadratics()
    gradient, weights = combined(q, PCGradConfig(mode=mode), "normals")
    np.testing.assert_allclose(gradient, at_theta(q, mode, pcgrad_of_two(*rows(q, mode, "normals"))), rtol=1e-9)
    np.testing.assert_allclose(gradient, at_theta(q, mode, weights @ rows(q, mode, "normals")), rtol=1e-9)
    # Three tasks: the result for one of the possible orders of projections.
    g, found = rows(q, mode), []
    for orders in np.ndindex(2, 2, 2):
        total = np.zeros_like(g[0])
        for i, order in enumerate(orders):
            others = [j for j in range(3) if j != i]
            mine = g[i].copy()
            for j in others if order == 0 else reversed(others):
                mine -= min(mine @ g[j], 0) / (g[j] @ g[j]) * g[j]
            total += mine
        found.append(np.abs(combined(q, PCGradConfig(mode=mode))[0] - at_theta(q, mode, total)).max())
    assert min(found) < 1e-12


def turned(mine: Array, other: Array, target: float) -> tuple[Array, float]:
    """Return a gradient with at least this cosine with another one, and its cosine before."""
    cosine = mine @ other / np.linalg.norm(mine) / np.linalg.norm(other)
    if cosine < target:
        sines = np.sqrt([1 - cosine**2, 1 - target**2])
        lengths = np.linalg.norm(mine) / np.linalg.norm(other)
        mine = mine + lengths * (target * sines[0] - cosine * sines[1]) / sines[1] * other
        assert mine @ other / np.linalg.norm(mine) / np.linalg.norm(other) == pytest.approx(target)
    return mine, cosine


def test_gradvac(mode: str) -> None:
    beta, targets, turns = 0.3, np.zeros(2), 0
    built = GradVacConfig(mode=mode, beta=beta).build(TASKS).double()
    for agreement in (0.0, 0.9, 0.2, 1.0, 0.6, 0.9):
        q = Quadratics((1.0, 1.0 + agreement, 1.0))
        q.goals[0] += agreement * (q.goals[1] - q.goals[0])
        g = rows(q, mode, "normals")
        altered = [turned(g[0], g[1], targets[0]), turned(g[1], g[0], targets[1])]
        turns += altered[0][1] < targets[0]
        targets = (1 - beta) * targets + beta * np.array([cosine for _, cosine in altered])
        gradient, weights = q.step(built, "normals")
        np.testing.assert_allclose(gradient, at_theta(q, mode, altered[0][0] + altered[1][0]), rtol=1e-9)
        np.testing.assert_allclose(gradient, at_theta(q, mode, weights @ g), rtol=1e-9)
    assert 0 < turns < 6
    # Three tasks: the result for one of the possible orders.
    before = built.targets.numpy().copy()
    assert before[:2, :2][~np.eye(2, dtype=bool)] == pytest.approx(targets) and not before[2].any()
    found, g = [], rows(q, mode)
    for orders in np.ndindex(2, 2, 2):
        total = np.zeros_like(g[0])
        for i, order in enumerate(orders):
            mine, others = g[i], [j for j in range(3) if j != i]
            for j in others if order == 0 else reversed(others):
                mine, _ = turned(mine, g[j], before[i, j])
            total += mine
        found.append(at_theta(q, mode, total))
    gradient, _ = q.step(built)
    assert min(np.abs(gradient - one).max() for one in found) < 1e-12


def test_the_first_step_of_gradvac_is_pcgrad(mode: str) -> None:
    q = Quadratics()
    for beta in (0.0, 0.5):
        gradient, _ = combined(q, GradVacConfig(mode=mode, beta=beta), "normals")
        np.testing.assert_allclose(gradient, combined(q, PCGradConfig(mode=mode), "normals")[0], rtol=1e-9)


def test_gradvac_of_gradients_that_agree_fully_or_not_at_all() -> None:
    """A target of 1 would take an infinite multiple, and an altered gradient of length zero has no cosine."""
    a = torch.randn(8, generator=torch.Generator().manual_seed(0))
    built = GradVacConfig(beta=1.0).build(["task 0", "task 1", "task 2"])
    for others in ([2 * a, a], [-a, -3 * a], [-a, torch.ones(8)], [0 * a, a.flip(0)]):
        x = torch.nn.Parameter(torch.zeros(8))
        losses = linear(torch.stack([a, *others]), x)
        built.backward(losses, BalancingContext.of(losses, shared=[x], tasks=[]))
        assert x.grad is not None and x.grad.isfinite().all() and x.grad.norm() < 1e4 * a.norm()
        assert built.targets.isfinite().all() and built.targets.abs().max() <= 1


def test_mgda(mode: str) -> None:
    q = Quadratics()
    a, b = rows(q, mode, "normals")
    share = np.clip((b - a) @ b / ((a - b) @ (a - b)), 0, 1)  # closed form for two
    gradient, weights = combined(q, MGDAConfig(mode=mode), "normals")
    np.testing.assert_allclose(weights, [share, 1 - share], rtol=1e-9)
    np.testing.assert_allclose(gradient, at_theta(q, mode, weights @ [a, b]), rtol=1e-9)
    # Optimality for three: no gradient's projection onto the shortest vector is shorter than that vector.
    weights = combined(q, MGDAConfig(mode=mode))[1]
    shortest = weights @ rows(q, mode)
    assert (rows(q, mode) @ shortest >= shortest @ shortest * (1 - 1e-9)).all()
    assert weights.sum() == pytest.approx(1) and (weights >= 0).all()


def test_cagrad(mode: str) -> None:
    q, c = Quadratics(), 0.4
    g = rows(q, mode, "normals")
    mean = g.mean(0)
    radius = c * np.linalg.norm(mean)
    shares = np.linspace(0, 1, 200001)
    candidates = shares[:, None] * g[0] + (1 - shares[:, None]) * g[1]
    dual = candidates @ mean + radius * np.linalg.norm(candidates, axis=1)
    best = candidates[dual.argmin()]
    expected = mean + radius * best / np.linalg.norm(best)
    gradient, _ = combined(q, CAGradConfig(c=c, mode=mode), "normals")
    np.testing.assert_allclose(gradient, at_theta(q, mode, expected), rtol=1e-3, atol=1e-4)


def test_small_gradients_are_not_taken_for_zero(mode: str) -> None:
    """Thresholds of a solver would make them zero, as happened at features."""
    for options in (CAGradConfig(mode=mode), UPGradConfig(mode=mode)):
        usual = combined(Quadratics(), options)[1]
        small = combined(Quadratics((1e-6, 1e-6, 1e-6)), options)[1]
        np.testing.assert_allclose(small, usual, rtol=1e-9)


def test_nash_mtl(mode: str) -> None:
    q = Quadratics()
    gradient, weights = combined(q, NashMTLConfig(mode=mode, max_norm=0.0))
    g = rows(q, mode)
    products = weights * (g @ g.T @ weights)  # equal for all tasks: GᵀG w = 1/w
    np.testing.assert_allclose(products, 1, rtol=1e-9)
    np.testing.assert_allclose(gradient, at_theta(q, mode, weights @ g), rtol=1e-9)
    _, limited = combined(q, NashMTLConfig(mode=mode, max_norm=1e-3))
    assert np.linalg.norm(limited @ g) == pytest.approx(1e-3)


@pytest.mark.parametrize("tasks", [2, 3, 6])
def test_nash_mtl_agrees_with_torchjd(tasks: int) -> None:
    """torchjd solves a sequence of convex programs, which stops at a tolerance."""
    pytest.importorskip("ecos")
    rng = np.random.default_rng(tasks)
    matrix = rng.normal(size=(tasks, 12))
    matrix[1] -= 1.5 * matrix[0]
    theirs = torchjd.aggregation.NashMTL(tasks, max_norm=0.0)
    for _ in range(3):
        matrix += 0.1 * rng.normal(size=matrix.shape)
        weights = bargain(*Gramian.of(torch.tensor(matrix @ matrix.T)))
        np.testing.assert_allclose(theirs(torch.tensor(matrix)), weights @ matrix, atol=1e-5)


def test_nash_mtl_with_gradients_of_very_different_length() -> None:
    matrix = np.random.default_rng(0).normal(size=(4, 12)) * [[1e-6], [1], [1e3], [1e6]]
    gramian = matrix @ matrix.T
    weights = bargain(*Gramian.of(torch.tensor(gramian)))
    np.testing.assert_allclose(weights * (gramian @ weights), 1, rtol=1e-9)
    assert (weights > 0).all()


def test_nash_mtl_stands_still_where_there_is_nothing_to_agree_on() -> None:
    """Gradients that are opposite up to float32 rounding have no meaningful solution."""
    x = torch.nn.Parameter(torch.zeros(3))
    nash = NashMTL(["a", "b"], max_norm=0.0)
    for b in (-2.0, -2.0 * (1 + 2**-23)):
        opposite = torch.tensor([[1.0, 2.0, 0.5], [-2.0, -4.0, 0.5 * b]])
        losses = {"a": 9 + x @ opposite[0], "b": 9 + x @ opposite[1]}
        weights = nash.backward(losses, BalancingContext.of(losses, shared=[x], tasks=[]))
        assert x.grad.norm() == 0 and not any(weights.values())


@pytest.mark.parametrize("alpha", [0.5, 1.0, 2.0, 5.0])
def test_fairgrad(mode: str, alpha: float) -> None:
    q = Quadratics()
    gradient, weights = combined(q, FairGradConfig(mode=mode, alpha=alpha, max_norm=0.0))
    g = rows(q, mode)
    np.testing.assert_allclose(g @ g.T @ weights, weights ** (-1 / alpha), rtol=1e-9)
    np.testing.assert_allclose(gradient, at_theta(q, mode, weights @ g), rtol=1e-9)
    _, limited = combined(q, FairGradConfig(mode=mode, alpha=alpha, max_norm=1e-3))
    assert np.linalg.norm(limited @ g) == pytest.approx(1e-3)
    # If all losses are multiplied by c, the step is multiplied by c^((1-α)/(1+α)).
    tenfold, _ = combined(Quadratics((10.0, 10.0, 10.0)), FairGradConfig(mode=mode, alpha=alpha, max_norm=0.0))
    np.testing.assert_allclose(tenfold, gradient * 10 ** ((1 - alpha) / (1 + alpha)), rtol=1e-9)


def test_fairgrad_with_alpha_of_one_is_nash_mtl(mode: str) -> None:
    q = Quadratics()
    for max_norm in (0.0, 1.0):
        nash = combined(q, NashMTLConfig(mode=mode, max_norm=max_norm))
        fair = combined(q, FairGradConfig(mode=mode, alpha=1.0, max_norm=max_norm))
        for found, expected in zip(fair, nash, strict=True):
            np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_a_larger_alpha_favors_the_task_that_decreases_least() -> None:
    q = Quadratics((1.0, 100.0, 1.0))
    least = []
    for alpha in (0.1, 1.0, 2.0, 10.0):
        gradient, _ = combined(q, FairGradConfig(alpha=alpha))
        least.append((q.gradients() @ gradient).min() / np.linalg.norm(gradient))
    assert least == sorted(least) and least[0] < 0.5 * least[-1]


@pytest.mark.parametrize("alpha", [0.5, 2.0, 10.0])
def test_fairgrad_with_gradients_of_very_different_length(alpha: float) -> None:
    matrix = np.random.default_rng(0).normal(size=(4, 12)) * [[1e-6], [1], [1e3], [1e6]]
    gramian = matrix @ matrix.T
    weights = fair_weights(*Gramian.of(torch.tensor(gramian)), alpha)
    lengths = np.sqrt(np.diagonal(gramian))
    norm = np.sqrt(weights @ gramian @ weights)
    # In cosines: the equation of a long gradient is about a decrease that is small for its length.
    np.testing.assert_allclose(gramian @ weights / lengths / norm, weights ** (-1 / alpha) / lengths / norm, atol=1e-9)
    assert (weights > 0).all()


def test_fairgrad_of_dependent_gradients() -> None:
    """Equal ones share a weight; if one is opposite to another, no direction improves both."""
    g = np.random.default_rng(0).normal(size=(2, 12))
    for alpha in (0.1, 1.0, 10.0):
        equal = fair_weights(*Gramian.of(torch.tensor(g[[0, 1, 0]] @ g[[0, 1, 0]].T)), alpha)
        assert equal[0] == pytest.approx(equal[2]) and (equal > 0).all()
        opposite = np.stack([*g, -1e3 * g[0]])
        assert not fair_weights(*Gramian.of(torch.tensor(opposite @ opposite.T)), alpha).any()


@pytest.mark.parametrize("preference", [{}, {"depth": 3.0}])
def test_aligned_mtl(mode: str, preference: dict[str, float]) -> None:
    q = Quadratics()
    u, s, vt = np.linalg.svd(rows(q, mode), full_matrices=False)
    average = np.array([1, preference.get("depth", 1.0), 1])
    for scale, size in (("min", s.min()), ("median", np.median(s)), ("rmse", np.sqrt((s**2).mean()))):
        expected = average / average.sum() @ (size * u @ vt)
        gradient, _ = combined(q, AlignedMTLConfig(scale=scale, preference=preference, mode=mode))
        np.testing.assert_allclose(gradient, at_theta(q, mode, expected), rtol=1e-6)


def test_imtl_g(mode: str) -> None:
    q = Quadratics()
    gradient, weights = combined(q, IMTLGConfig(mode=mode))
    g = rows(q, mode)
    assert weights.sum() == pytest.approx(1)
    projections = (weights @ g) @ (g / np.linalg.norm(g, axis=1, keepdims=True)).T
    np.testing.assert_allclose(projections, projections[0], rtol=1e-6)
    np.testing.assert_allclose(gradient, at_theta(q, mode, weights @ g), rtol=1e-9)


@pytest.mark.parametrize("sigma", [0.0, 0.5])
def test_db_mtl(sigma: float) -> None:
    built = DBMTLConfig(beta=0.8, sigma=sigma).build(TASKS).double()
    means, own = np.zeros((3, 4)), np.zeros(3)
    for step, absent in enumerate(((), (), ("depth",), (), ("depth", "normals")), 1):
        q = Quadratics((1.0, 100.0, 0.01 * step))
        present = [task not in absent for task in TASKS]
        beta = 0.8 / step**sigma
        of_logarithms = q.gradients() / q.losses()[:, None]
        means[present] = beta * means[present] + (1 - beta) * of_logarithms[present]
        lengths = np.linalg.norm(means[present], axis=1)
        expected = (means[present] / lengths[:, None]).sum(0) * lengths.max()
        gradient, weights = q.step(built, *absent)
        np.testing.assert_allclose(gradient, expected, rtol=1e-6)  # the authors add ε to a loss
        own = [0.0 if u.grad is None else u.grad.item() for u in q.own]
        np.testing.assert_allclose(own, q.own_gradients() / q.losses() * present, rtol=1e-6, atol=1e-12)
        assert weights.size == 0


def test_db_mtl_averages_the_gradients_of_the_same_parameters() -> None:
    built = DBMTLConfig().build(["task 0", "task 1"])
    for columns in (3, 4):
        x = torch.nn.Parameter(torch.zeros(columns))
        losses = linear(torch.ones(2, columns), x)
        context = BalancingContext.of(losses, shared=[x], tasks=[])
        if columns == 3:
            built.backward(losses, context)
        else:
            with pytest.raises(ValueError, match=r"have 4 numbers.*they had 3.*same ones in every step"):
                built.backward(losses, context)


def test_a_step_that_is_not_finite_leaves_no_trace_in_the_mean_gradients() -> None:
    def step(built: Weighting, vectors: torch.Tensor) -> torch.Tensor:
        x = torch.nn.Parameter(torch.zeros(2))
        losses = linear(vectors, x)
        built.backward(losses, BalancingContext.of(losses, shared=[x], tasks=[]))
        assert x.grad is not None
        return x.grad

    good, bad = torch.tensor([[1.0, 2.0], [0.5, -1.0]]), torch.tensor([[1.0, torch.inf], [0.5, -1.0]])
    built, other = (DBMTLConfig(sigma=0.5).build(["task 0", "task 1"]) for _ in range(2))
    for weighting in (built, other):
        step(weighting, good)
    assert step(built, bad).isnan().all()
    assert torch.equal(step(built, good), step(other, good))


def test_upgrad(mode: str) -> None:
    q = Quadratics()
    g = rows(q, mode, "normals")
    gradient, _ = combined(q, UPGradConfig(mode=mode), "normals")
    # Of two gradients, each is projected as in PCGrad.
    np.testing.assert_allclose(gradient, at_theta(q, mode, pcgrad_of_two(*g) / 2), rtol=1e-9)
    # For any number of tasks, none is harmed.
    weights = combined(q, UPGradConfig(mode=mode))[1]
    along = rows(q, mode) @ (weights @ rows(q, mode))
    assert (along >= -1e-9 * np.abs(along).max()).all()


def test_graddrop() -> None:
    q = Quadratics()
    weighting = GradDropConfig().build(TASKS)
    g = q.gradients()
    drawn = np.stack([q.step(weighting)[0] for _ in range(500)])
    positive, negative = g.clip(min=0).sum(0), g.clip(max=0).sum(0)
    is_positive = np.isclose(drawn, positive, rtol=1e-12)
    assert (is_positive | np.isclose(drawn, negative, rtol=1e-12)).all()
    purity = 0.5 * (1 + g.sum(0) / np.abs(g).sum(0))
    np.testing.assert_allclose(is_positive.mean(0), purity, atol=0.08)
    # What leaks is not dropped.
    np.testing.assert_allclose(q.step(GradDropConfig(leak=dict.fromkeys(TASKS, 1.0)).build(TASKS))[0], g.sum(0))


def test_conflict_free(mode: str) -> None:
    q = Quadratics()
    g = rows(q, mode)
    units = g / np.linalg.norm(g, axis=1, keepdims=True)
    for preference in ({}, {"depth": 2.0}):
        cosines = np.array([1, preference.get("depth", 1.0), 1])
        direction = np.linalg.pinv(units) @ cosines
        direction /= np.linalg.norm(direction)
        expected = (g @ direction).sum() * direction
        gradient, _ = combined(q, ConFIGConfig(preference=preference, mode=mode))
        np.testing.assert_allclose(gradient, at_theta(q, mode, expected), rtol=1e-8)


def test_random_gradient(mode: str) -> None:
    q = Quadratics()
    weighting = RandomGradientConfig(mode=mode).build(TASKS)
    drawn = []
    for _ in range(200):
        gradient, weights = q.step(weighting)
        np.testing.assert_allclose(gradient, at_theta(q, mode, weights @ rows(q, mode)), rtol=1e-9)
        drawn.append(weights)
    np.testing.assert_allclose(np.sum(drawn, 1), 1)
    np.testing.assert_allclose(np.mean(drawn, 0), 1 / 3, atol=0.07)


@pytest.mark.parametrize("options", [IMTLGConfig, ConFIGConfig, NashMTLConfig, DBMTLConfig])
def test_the_direction_does_not_change_with_the_scale_of_a_loss(options: Options) -> None:
    directions = []
    for scale in ((1.0, 1.0, 1.0), (3.0, 1.0, 0.5)):
        gradient, _ = combined(Quadratics(scale), options())
        directions.append(gradient / np.linalg.norm(gradient))
    np.testing.assert_allclose(*directions, atol=1e-9)


@pytest.mark.parametrize("options", [MGDAConfig(), UPGradConfig(), NashMTLConfig(), FairGradConfig(), ConFIGConfig()])
def test_no_task_is_harmed(options: WeightingConfig) -> None:
    """Non-conflicting: no gradient has a negative product with the combined one, up to rounding."""
    for scale in ((1.0, 1.0, 1.0), (1.0, 8.0, 1.0)):
        q = Quadratics(scale)
        gradient, _ = combined(q, options)
        lengths = np.linalg.norm(q.gradients(), axis=1) * np.linalg.norm(gradient)
        assert (q.gradients() @ gradient >= -1e-9 * lengths.max()).all()
    plain, _ = combined(q, FixedConfig())
    assert (q.gradients() @ plain).min() < 0


@pytest.mark.parametrize(
    "options",
    [
        MGDAConfig(),
        UPGradConfig(),
        CAGradConfig(),
        NashMTLConfig(),
        FairGradConfig(),
        AlignedMTLConfig(),
        IMTLGConfig(),
        ConFIGConfig(),
    ],
)
def test_the_order_of_the_tasks_does_not_matter(options: WeightingConfig, mode: str) -> None:
    """Permutation-invariant: only methods that draw random numbers depend on the order."""
    options = replace(options, mode=mode)
    gradient, weights = combined(Quadratics(), options)
    permuted, of_permuted = combined(Quadratics(order=(2, 0, 1)), options)
    np.testing.assert_allclose(permuted, gradient, atol=1e-9 * np.abs(gradient).max())
    np.testing.assert_allclose(of_permuted, weights[[2, 0, 1]], atol=1e-9)


@pytest.mark.parametrize("options", [PCGradConfig(), UPGradConfig(), MGDAConfig(), CAGradConfig(), IMTLGConfig()])
def test_without_conflict_or_difference_nothing_is_lost(options: WeightingConfig, mode: str) -> None:
    """For equal gradients, the combined one has their direction."""
    q = Quadratics()
    q.heads[:], q.goals[:] = q.heads[0], q.goals[0]
    gradient, _ = combined(q, replace(options, mode=mode))
    direction = q.gradients()[0] / np.linalg.norm(q.gradients()[0])
    np.testing.assert_allclose(gradient / np.linalg.norm(gradient), direction, rtol=1e-6)


@dataclass(frozen=True)
class KrumConfig(GradientConfig):
    name: ClassVar[str] = "krum"


class Krum(AggregatorWeighting, config=KrumConfig):
    """An aggregator of the user's choice."""

    def aggregator(self, tasks: Sequence[str], like: torch.Tensor):
        from torchjd.aggregation import Krum

        return Krum(n_byzantine=0)


@dataclass(frozen=True)
class TrimmedMeanConfig(GradientConfig):
    name: ClassVar[str] = "trimmed-mean"


class TrimmedMean(AggregatorWeighting, config=TrimmedMeanConfig):
    """An aggregator that is not a weighted sum."""

    def aggregator(self, tasks: Sequence[str], like: torch.Tensor):
        from torchjd.aggregation import TrimmedMean

        return TrimmedMean(trim_number=1)


@dataclass(frozen=True)
class RememberingConfig(GradientConfig):
    name: ClassVar[str] = "remembering"


class Remembering(AggregatorWeighting, config=RememberingConfig):
    """An aggregator with its own state."""

    def aggregator(self, tasks: Sequence[str], like: torch.Tensor):
        from torchjd.aggregation import GradVac

        return GradVac()


def test_any_aggregator_of_torchjd(mode: str) -> None:
    q = Quadratics()
    gradient, weights = combined(q, KrumConfig(mode=mode))
    assert sorted(weights) == [0, 0, 1]  # the gradient that is nearest to the others
    np.testing.assert_allclose(gradient, at_theta(q, mode, weights @ rows(q, mode)))
    gradient, weights = combined(q, TrimmedMeanConfig(mode=mode))
    np.testing.assert_allclose(gradient, at_theta(q, mode, np.median(rows(q, mode), 0)))
    assert weights.size == 0
    with pytest.raises(ValueError, match="resumed"):
        Remembering(TASKS, mode=mode)


def linear(vectors: torch.Tensor, x: torch.Tensor) -> dict[str, torch.Tensor]:
    """Return losses whose gradients at x are these vectors, one for each task."""
    return {f"task {k}": 1 + (x.float().flatten() * vector).sum() for k, vector in enumerate(vectors)}


def test_a_direction_that_would_raise_all_losses_is_reversed() -> None:
    """The weights of equal projections have a negative sum, because of a short gradient between two long ones."""
    x = torch.nn.Parameter(torch.zeros(3))
    vectors = torch.tensor([[2.0, 1.0, 1.0], [2.0, -1.0, 1.0], [0.1, 0.0, 0.1]])
    losses = linear(vectors, x)
    weights = IMTLGConfig().build(list(losses)).backward(losses, BalancingContext.of(losses, shared=[x], tasks=[]))
    assert weights is not None and x.grad is not None
    projections = (vectors / vectors.norm(dim=1, keepdim=True)) @ x.grad
    assert projections.min() > 0
    torch.testing.assert_close(projections, projections.mean().expand(3), rtol=1e-4, atol=0)
    assert float(sum(weights.values())) == pytest.approx(-1, rel=1e-5)


@pytest.mark.parametrize("options", [CAGradConfig(), MGDAConfig(), UPGradConfig()])
def test_long_gradients_are_multiplied_in_parts(options: GradientConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    found = []
    for columns in (2**16, 7):
        monkeypatch.setattr("taskscape.weighting.task_gradients._COLUMNS_AT_ONCE", columns)
        x = torch.nn.Parameter(torch.zeros(50))
        losses = linear(torch.randn(3, 50, generator=torch.Generator().manual_seed(0)), x)
        options.build(list(losses)).backward(losses, BalancingContext.of(losses, shared=[x], tasks=[]))
        found.append(x.grad)
    torch.testing.assert_close(found[0], found[1])


def test_gradients_at_narrow_features_are_combined_in_float32() -> None:
    x = torch.nn.Parameter(torch.zeros(6))
    vectors = torch.randn(2, 6, generator=torch.Generator().manual_seed(1)).bfloat16().float()
    vectors[1, :3] = -2 * vectors[0, :3]
    features = x.bfloat16()
    losses = linear(vectors, features)
    context = BalancingContext.of(losses, shared=[x], tasks=[], features=[features])
    weights = PCGradConfig(mode="features").build(list(losses)).backward(losses, context)
    a, b = vectors.double()
    assert weights is not None and a @ b < 0
    expected = [1 - (a @ b / (a @ a)).item(), 1 - (a @ b / (b @ b)).item()]
    assert [weight.item() for weight in weights.values()] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(("scale", "length"), [("min", 1.0), ("median", 1.0), ("rmse", 8.5**0.5)])
def test_the_common_length_of_two_components(scale: Literal["min", "median", "rmse"], length: float) -> None:
    x = torch.nn.Parameter(torch.zeros(2))
    losses = linear(torch.tensor([[1.0, 0.0], [0.0, 4.0]]), x)
    options = AlignedMTLConfig(scale=scale)
    options.build(list(losses)).backward(losses, BalancingContext.of(losses, shared=[x], tasks=[]))
    assert x.grad is not None and x.grad.tolist() == pytest.approx([length / 2, length / 2], rel=1e-5)


def test_tasks_without_a_gradient_do_not_stop_the_others() -> None:
    vectors = torch.tensor([[1.0, 0.0, 0.5], [0.0, 0.0, 0.0], [-0.5, 2.0, 0.0]])
    found = []
    for chosen in (vectors, vectors[[0, 2]]):
        x = torch.nn.Parameter(torch.zeros(3))
        losses = linear(chosen, x)
        ConFIGConfig().build(list(losses)).backward(losses, BalancingContext.of(losses, shared=[x], tasks=[]))
        found.append(x.grad)
    assert found[1] is not None and found[1].any()
    torch.testing.assert_close(found[0], found[1])


def test_tasks_without_a_gradient_share_the_weight_of_mgda() -> None:
    x = torch.nn.Parameter(torch.zeros(2))
    losses = linear(torch.tensor([[0.0, 0.0], [1.0, 2.0], [0.0, 0.0]]), x)
    weights = MGDAConfig().build(list(losses)).backward(losses, BalancingContext.of(losses, shared=[x], tasks=[]))
    assert weights is not None and [weight.item() for weight in weights.values()] == [0.5, 0.0, 0.5]
