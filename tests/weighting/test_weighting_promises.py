"""Guarantees of the papers, for float32 gradients as in training, over eight decades of sizes."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch
import torchjd.aggregation
from quadratics import TASKS, Quadratics
from small_network import methods
from torch import Tensor

from taskscape.weighting import (
    AlignedMTLConfig,
    BalancingContext,
    CAGradConfig,
    ConFIGConfig,
    DBMTLConfig,
    FairGradConfig,
    GradVacConfig,
    IMTLGConfig,
    MGDAConfig,
    NashMTLConfig,
    PCGradConfig,
    RandomGradientConfig,
    UPGradConfig,
    WeightingConfig,
)
from taskscape.weighting.nonnegative import nonnegative_minimum

OF_GRAMIAN: dict[str, WeightingConfig] = {
    c.name: c()
    for c in (
        AlignedMTLConfig,
        CAGradConfig,
        ConFIGConfig,
        DBMTLConfig,
        FairGradConfig,
        IMTLGConfig,
        MGDAConfig,
        NashMTLConfig,
        UPGradConfig,
    )
}
WITH_RANDOM = {
    **OF_GRAMIAN,
    "gradvac": GradVacConfig(),
    "pcgrad": PCGradConfig(),
    "random-gradient": RandomGradientConfig(),
}
SCALE_FREE = ("conflict-free", "db-mtl", "imtl-g", "nash-mtl")
HARMLESS = ("conflict-free", "fairgrad", "imtl-g", "mgda", "nash-mtl", "upgrad")
SCALES = [10.0**exponent for exponent in range(-4, 5)]
SIZES = (2, 3, 5)


def problems(tasks: int) -> list[Tensor]:
    """Return float32 gradients, (tasks, 40): without a conflict, with one, and with two that are nearly opposite."""
    g = torch.Generator().manual_seed(tasks)
    plain = torch.randn(tasks, 40, generator=g)
    conflict = torch.randn(tasks, 40, generator=g)
    conflict[1] -= 2 * conflict[0]
    opposite = torch.randn(tasks, 40, generator=g)
    opposite[-1] = 0.05 * opposite[-1] - opposite[0]
    return [plain, conflict, opposite]


def one_scaled(rows: Tensor) -> list[Tensor]:
    """Return the gradients with the first, then the last one, at every scale."""
    scaled = []
    for k in (0, -1):
        for scale in SCALES:
            scaled.append(rows.clone())
            scaled[-1][k] *= scale
    return scaled


def combined(config: WeightingConfig, rows: Tensor, tasks: Sequence[str] | None = None) -> Tensor:
    """Return the method's ``.grad`` for losses with these gradients, in float64."""
    names = tasks or [f"task{k}" for k in range(len(rows))]
    x = torch.nn.Parameter(torch.zeros_like(rows[0]))
    losses = {name: 9 + x @ row for name, row in zip(names, rows, strict=True)}
    config.build(names).backward(losses, BalancingContext.of(losses, shared=[x], tasks=[]))
    assert x.grad is not None
    return x.grad.double()


def direction(vector: Tensor) -> Tensor:
    return vector / vector.norm()


def cosines(rows: Tensor, vector: Tensor) -> Tensor:
    rows = rows.double()
    return rows @ vector / (rows.norm(dim=1) * vector.norm())


@pytest.mark.parametrize("tasks", SIZES)
@pytest.mark.parametrize("name", WITH_RANDOM)
def test_scale_invariance_of_the_direction_to_all_gradients(name: str, tasks: int) -> None:
    for rows in problems(tasks):
        usual = direction(combined(WITH_RANDOM[name], rows))
        for scale in SCALES:
            assert (direction(combined(WITH_RANDOM[name], scale * rows)) - usual).norm() < 1e-5


@pytest.mark.parametrize("tasks", SIZES)
@pytest.mark.parametrize("name", SCALE_FREE)
def test_scale_invariance_of_the_direction_to_one_gradient(name: str, tasks: int) -> None:
    for rows in problems(tasks):
        usual = direction(combined(OF_GRAMIAN[name], rows))
        for scaled in one_scaled(rows):
            assert (direction(combined(OF_GRAMIAN[name], scaled)) - usual).norm() < 1e-5


@pytest.mark.parametrize("tasks", SIZES)
@pytest.mark.parametrize("name", HARMLESS)
def test_non_conflict(name: str, tasks: int) -> None:
    for rows in problems(tasks):
        for scaled in one_scaled(rows):
            assert cosines(scaled, combined(OF_GRAMIAN[name], scaled)).min() >= -1e-6


@pytest.mark.parametrize("tasks", SIZES)
@pytest.mark.parametrize("name", ["conflict-free", "imtl-g"])
def test_equal_angles_with_every_gradient(name: str, tasks: int) -> None:
    for rows in problems(tasks):
        for scaled in one_scaled(rows):
            found = cosines(scaled, combined(OF_GRAMIAN[name], scaled))
            assert found.max() - found.min() < 1e-6


@pytest.mark.parametrize("tasks", SIZES)
@pytest.mark.parametrize("name", OF_GRAMIAN)
def test_permutation_of_the_tasks(name: str, tasks: int) -> None:
    order = torch.randperm(tasks, generator=torch.Generator().manual_seed(1))
    for rows in problems(tasks):
        for scaled in one_scaled(rows):
            usual = combined(OF_GRAMIAN[name], scaled)
            permuted = combined(OF_GRAMIAN[name], scaled[order], [f"task{k}" for k in order.tolist()])
            assert (permuted - usual).norm() <= 1e-6 * usual.norm()


@pytest.mark.parametrize("tasks", SIZES)
@pytest.mark.parametrize("c", [0.1, 0.4, 0.9])
def test_cagrad_stays_in_its_ball_and_serves_the_worst_task_best(c: float, tasks: int) -> None:
    for rows in problems(tasks):
        for scaled in [*one_scaled(rows), torch.cat([0 * rows[:1], rows[1:]]), torch.cat([1e-30 * rows[:1], rows[1:]])]:
            mean, found = scaled.double().mean(0), combined(CAGradConfig(c=c), scaled)
            assert (found - mean).norm() <= c * mean.norm() * (1 + 1e-6)
            # No direction on the ball's surface is better for the worst task: no random one, and no single task's.
            g = torch.Generator().manual_seed(0)
            random = torch.rand(200, tasks, generator=g, dtype=torch.float64) ** 4
            lengths = scaled.double().norm(dim=1, keepdim=True)
            others = torch.cat([random, torch.eye(tasks).double()]) @ (scaled.double() / lengths.clamp_min(1e-300))
            others = mean + c * mean.norm() * others / others.norm(dim=1, keepdim=True).clamp_min(1e-300)
            best = (others @ scaled.double().T).min(1).values.max()
            assert (scaled.double() @ found).min() >= best - 1e-6 * abs(best) - 1e-7 * lengths.max() * mean.norm()


@pytest.mark.parametrize("scale", SCALES)
def test_equations_hold_for_gradients_of_very_different_length(scale: float) -> None:
    """In float32, products of the short gradient vanish beside those of the long one."""
    rows = problems(3)[1]
    rows[0] *= scale
    u, s, vt = np.linalg.svd(rows.double().numpy(), full_matrices=False)
    aligned = torch.from_numpy(s.min() * (u @ vt).mean(0))
    assert (combined(AlignedMTLConfig(), rows) - aligned).norm() < 1e-6 * aligned.norm()
    units = rows.double() / rows.double().norm(dim=1, keepdim=True)
    weights = torch.linalg.solve(units @ units.T, torch.ones(3).double()) / rows.double().norm(dim=1)
    balanced = weights / weights.sum() @ rows.double()
    assert (combined(IMTLGConfig(), rows) - balanced).norm() < 1e-5 * balanced.norm()


def test_conflict_free_with_many_parameters() -> None:
    """More columns than float32 can resolve: a pseudo-inverse of all of them would be zero."""
    rows = torch.randn(2, 9_000_000, generator=torch.Generator().manual_seed(0))
    rows[1] -= 0.8 * rows[0]
    found = cosines(rows, combined(ConFIGConfig(), rows))
    assert found.min() > 0.4 and found.max() - found.min() < 1e-6


ABSENT_IS_ELSEWHERE = {
    "random": "draws a number for every task, so that the draws of the others do not depend on who is present",
    "gradnorm": "learned weights that sum to the number of all tasks",
}
"""Methods in which an absent task has an effect, and why."""


@pytest.mark.parametrize("name", sorted(methods().keys() - ABSENT_IS_ELSEWHERE))
def test_an_absent_task_is_a_task_that_is_not_there(name: str) -> None:
    config, present = methods()[name], ("semseg", "normals")
    if hasattr(config, "preference"):
        config = replace(config, preference={})
    q = Quadratics()
    with_it, without = config.build(TASKS, seed=2).double(), config.build(present, seed=2).double()
    for _ in range(4):
        gradient, weights = q.step(with_it, "depth")
        expected, of_present = q.step(without, "depth")
        np.testing.assert_allclose(gradient, expected, rtol=1e-12)
        np.testing.assert_allclose(weights, of_present, rtol=1e-12)
        for built in (with_it, without):
            built.after_step(lambda: q.global_losses("depth"))
            built.epoch_end({t: loss.item() for t, loss in q.global_losses("depth").items()})


@pytest.mark.parametrize("every", [1, 3])
def test_a_task_that_leaves_the_bargain_leaves_nothing_behind(every: int) -> None:
    q, config = Quadratics((1.0, 1000.0, 1.0)), NashMTLConfig(every=every, max_norm=0.0)
    nash = config.build(TASKS).double()
    for absent in ((), ("depth",), ("depth", "normals"), ("normals",), ()):
        present = [t for t in TASKS if t not in absent]
        np.testing.assert_allclose(q.step(nash, *absent)[0], q.step(config.build(present).double(), *absent)[0])


@pytest.mark.parametrize("tasks", SIZES)
@pytest.mark.parametrize("name", OF_GRAMIAN)
def test_a_gradient_of_zero_takes_part_in_means_only(name: str, tasks: int) -> None:
    for rows in problems(tasks):
        flat = torch.cat([rows, torch.zeros_like(rows[:1])])
        found, without = combined(OF_GRAMIAN[name], flat), combined(OF_GRAMIAN[name], rows)
        if name == "mgda":  # the shortest vector has length zero
            assert found.norm() == 0
        else:
            share = tasks / (tasks + 1) if name in ("aligned-mtl", "cagrad", "upgrad") else 1
            assert (found - share * without).norm() < 1e-6 * without.norm()


@pytest.mark.parametrize("name", OF_GRAMIAN)
@pytest.mark.parametrize("scale", SCALES)
def test_parallel_and_opposite_gradients(name: str, scale: float) -> None:
    row = torch.randn(40, generator=torch.Generator().manual_seed(0))
    parallel = torch.stack([row, scale * row])
    assert cosines(parallel, combined(OF_GRAMIAN[name], parallel)).min() > 1 - 1e-6
    opposite = torch.stack([row, -scale * row])
    found, longest = combined(OF_GRAMIAN[name], opposite), opposite.norm(dim=1).max()
    assert found.isfinite().all() and found.norm() <= longest
    if name in HARMLESS:  # no direction improves both
        assert found.norm() <= 1e-5 * longest


@pytest.mark.parametrize("name", ["conflict-free", "imtl-g"])
@pytest.mark.parametrize("scale", SCALES)
def test_gradients_that_contradict_each_other(name: str, scale: float) -> None:
    """Only zero has the same angle with two gradients and their sum, or with three that add up to zero."""
    for a, b, *rest in problems(2) + problems(5):
        for third in (a + b, -a - b):
            rows = torch.stack([scale * a, b, third, *rest])
            assert combined(OF_GRAMIAN[name], rows).norm() == 0


@pytest.mark.parametrize("name", OF_GRAMIAN)
def test_a_gradient_that_is_not_finite_is_passed_on(name: str) -> None:
    """The training step rejects it by name; the solver neither hangs nor fails first."""
    rows = problems(3)[0]
    rows[1, 5] = torch.inf
    assert combined(OF_GRAMIAN[name], rows).isnan().any()


@pytest.mark.parametrize("tasks", SIZES)
def test_agreement_with_torchjd(tasks: int) -> None:
    """In float64, with gradients of similar size, and the smallest tolerances of its solvers."""
    from torchjd.linalg import QuadprogProjector

    theirs = torchjd.aggregation
    rows = problems(tasks)[1].double()
    pairs = [
        (AlignedMTLConfig(), theirs.AlignedMTL(), 1e-9),
        (ConFIGConfig(), theirs.ConFIG(), 1e-9),
        (IMTLGConfig(), theirs.IMTLG(), 1e-9),
        (MGDAConfig(), theirs.MGDA(1e-9, 5000), 1e-2),
    ]
    for name, build, tolerance in (
        (CAGradConfig(), lambda: theirs.CAGrad(0.4, 1e-12), 1e-3),
        (UPGradConfig(), lambda: theirs.UPGrad(projector=QuadprogProjector(norm_eps=1e-12, reg_eps=1e-12)), 1e-6),
    ):
        try:
            pairs.append((name, build(), tolerance))
        except ImportError:
            pytest.skip("the solvers of torchjd are not installed")
    for config, aggregator, tolerance in pairs:
        expected = aggregator(rows)
        assert (combined(config, rows) - expected).norm() < tolerance * expected.norm(), config


def test_the_nonnegative_program_is_solved_exactly() -> None:
    """Check the Karush-Kuhn-Tucker conditions, also for dependent rows."""
    rng = np.random.default_rng(0)
    for trial in range(300):
        n = int(rng.integers(1, 13))
        rows = rng.normal(size=(n, int(rng.integers(max(1, n // 2), n + 5))))
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        if trial % 5 == 0:
            rows[0] = -rows[-1]
        matrix = rows @ rows.T + 1e-13 * np.eye(n)
        linear = rows @ rng.normal(size=rows.shape[1]) if trial % 3 else -matrix[0]
        v = nonnegative_minimum(matrix, linear)
        slack = linear - matrix @ v
        rounding = 1e-12 * (1 + np.abs(v).max())
        assert (v >= 0).all() and slack.max() <= rounding and np.abs(slack[v > 0]).max(initial=0) <= rounding
