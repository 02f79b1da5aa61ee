"""Schedules at the points that their formulas name."""

import pytest
import torch
from torch import nn

from taskscape.training.optimization import SGD, Adam, AdamW, Constant, Cosine, OneCycle, OptimizerConfig, Poly, Schedule, Step


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        (Constant(), {0: 1.0, 5: 1.0, 10: 1.0}),
        (Poly(), {0: 1.0, 5: 0.5**0.9, 10: 0.0}),
        (Poly(power=2.0), {0: 1.0, 7.5: 0.0625}),
        (Step(every=4, decay=0.1), {0: 1.0, 3.99: 1.0, 4: 0.1, 9: 0.01}),
        (Cosine(), {0: 1.0, 5: 0.5, 10: 0.0}),
        (OneCycle(rise=0.25, start=0.04, end=0.0), {0: 0.04, 2.5: 1.0, 6.25: 0.5, 10: 0.0}),
        (Constant(warmup=2.0), {0: 0.0, 1: 0.5, 2: 1.0, 9: 1.0}),
        (Cosine(warmup=5.0), {2.5: 0.5 * (1 + 0.5**0.5) / 2, 5: 0.5}),
    ],
)
def test_schedules(schedule: Schedule, expected: dict[float, float]) -> None:
    for epoch, factor in expected.items():
        assert schedule.factor(epoch, 10) == pytest.approx(factor, abs=1e-12)


def test_torch_agrees_where_it_has_the_same_schedule() -> None:
    optimizer = torch.optim.SGD(nn.Linear(1, 1).parameters(), lr=1.0)
    theirs = torch.optim.lr_scheduler.PolynomialLR(optimizer, total_iters=10, power=0.9)
    for epoch in range(10):
        assert Poly().factor(epoch, 10) == pytest.approx(theirs.get_last_lr()[0])
        optimizer.step()
        theirs.step()


@pytest.mark.parametrize("options", [SGD(lr=0.5), Adam(lr=0.5), AdamW(lr=0.5)])
def test_a_group_may_have_its_own_rate_and_decay(options: OptimizerConfig) -> None:
    a, b = nn.Parameter(torch.ones(1)), nn.Parameter(torch.ones(1))
    optimizer = options.build([{"params": [a]}, {"params": [b], "lr": 0.1, "weight_decay": 0.0}])
    assert [group["lr"] for group in optimizer.param_groups] == [0.5, 0.1]
    assert optimizer.param_groups[1]["weight_decay"] == 0.0
