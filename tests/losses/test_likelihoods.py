"""Losses with a predicted width: densities, their distribution functions, and the effect of beta."""

import math

import numpy as np
import pytest
import torch

from taskscape.batch import Target
from taskscape.losses import L1, Angular, Laplace, Likelihood, angular, laplace
from taskscape.losses.likelihood import LEAST_WIDTH, width_of

WIDTHS = [0.01, 0.1, 0.7, 5.0, 100.0]
EVERYWHERE = torch.ones(1, 1, 1, dtype=torch.bool)


def raw_of(width: float) -> float:
    """Return the raw output that encodes a width."""
    return 6 * math.atanh(math.log(width) / 6)


def maps(values: torch.Tensor) -> torch.Tensor:
    """Return (n, C) values as (1, C, 1, n) maps."""
    return values.double().T[None, :, None]


def integral(values: torch.Tensor, step: float) -> float:
    return float(np.trapezoid(values.double().numpy(), dx=step))


@pytest.mark.parametrize("width", WIDTHS)
def test_laplace_density_integrates_to_one_and_up_to_a_distance(width: float) -> None:
    d = torch.linspace(-40 * width, 40 * width, 200_001, dtype=torch.float64)
    step = (d[1] - d[0]).item()
    nll = Laplace().nll(maps(torch.zeros(len(d), 1)), torch.full((1, 1, len(d)), width).double(), maps(d[:, None]))
    density = (-nll).exp().flatten()
    assert integral(density, step) == pytest.approx(1, abs=1e-6)
    inside = torch.where(d.abs() <= 1.5 * width, density, 0.0)
    assert laplace.probability_within(1.5 * width, torch.tensor(width).double()).item() == pytest.approx(
        integral(inside, step), abs=1e-3
    )


@pytest.mark.parametrize("width", WIDTHS)
def test_angular_density_integrates_to_one_over_the_sphere(width: float) -> None:
    theta = torch.linspace(0, math.pi, 200_001, dtype=torch.float64)
    step = (theta[1] - theta[0]).item()
    directions = torch.stack([theta.sin(), torch.zeros_like(theta), theta.cos()], 1)
    ahead = torch.tensor([[0.0, 0.0, 1.0]]).expand(len(theta), 3)
    widths = torch.full((1, 1, len(theta)), width).double()
    density = (-Angular().nll(maps(ahead), widths, maps(directions))).exp().flatten()
    around = 2 * math.pi * theta.sin() * density
    assert integral(around, step) == pytest.approx(1, abs=1e-4)
    b = torch.tensor(width).double()
    assert angular.expected_angle(b).item() == pytest.approx(integral(around * theta, step), rel=1e-3)
    for degrees in (5.0, 11.25, 60.0):
        inside = torch.where(theta <= math.radians(degrees), around, 0.0)
        assert angular.probability_within(math.radians(degrees), b).item() == pytest.approx(
            integral(inside, step), abs=1e-3
        )


def test_the_sum_of_several_channels_is_within_a_distance_as_often_as_drawn() -> None:
    draws = torch.distributions.Laplace(0.0, 0.3).sample((200_000, 3)).abs().sum(1)
    width = torch.tensor(0.3)
    for distance in (0.2, 1.0, 2.0):
        found = (draws <= distance).double().mean().item()
        assert laplace.probability_within(distance, width, 3).item() == pytest.approx(found, abs=5e-3)


@pytest.mark.parametrize("loss", [Laplace(), Laplace(beta=0.0), Angular(), Angular(beta=0.5)], ids=str)
@pytest.mark.parametrize("size", [0.0, 1.0, 1e4, 1e18])
def test_extreme_outputs_have_finite_losses_and_slopes_that_are_not_negative(loss: Likelihood, size: float) -> None:
    channels = 3 if isinstance(loss, Angular) else 1
    torch.manual_seed(0)
    prediction = (size * torch.randn(2, channels + 1, 5, 6)).requires_grad_()
    value = torch.nn.functional.normalize(torch.randn(2, channels, 5, 6), dim=1)
    found = loss(prediction, value)
    found.backward()
    assert prediction.grad is not None
    assert found >= 0 and found.isfinite() and prediction.grad.isfinite().all()


@pytest.mark.parametrize("loss", [Laplace(), Angular()], ids=str)
def test_nothing_is_less_than_a_perfect_and_sure_prediction(loss: Likelihood) -> None:
    channels = 3 if isinstance(loss, Angular) else 1
    value = torch.tensor([0.0, 0.0, 1.0][-channels:]).double().view(1, channels, 1, 1)
    width = torch.full((1, 1, 1), LEAST_WIDTH).double()
    # The angle between equal directions counts as 1e-6, which is 4e-4 of the smallest width.
    assert loss.nll(value, width, value).item() == pytest.approx(loss.least, abs=1e-3)
    assert loss.nll(value, width, value).item() >= loss.least - 1e-12


def test_beta_one_learns_values_as_the_plain_error_does() -> None:
    torch.manual_seed(0)
    prediction, value = torch.randn(2, 2, 4, 5, dtype=torch.float64), torch.randn(2, 1, 4, 5, dtype=torch.float64)
    slopes = []
    for loss, channels in ((Laplace(beta=1.0), 2), (L1(), 1)):
        leaf = prediction[:, :channels].clone().requires_grad_()
        loss(leaf, value).backward()
        assert leaf.grad is not None
        slopes.append(leaf.grad[:, :1])
    torch.testing.assert_close(*slopes)


@pytest.mark.parametrize("beta", [0.0, 0.5, 1.0])
def test_the_best_width_is_the_mean_error_for_any_beta(beta: float) -> None:
    errors = torch.tensor([0.1, -0.5, 2.0, -1.4]).double().view(1, 1, 1, 4)
    slopes = []
    for width in (0.9, 1.0, 1.1):
        raw = torch.zeros(1, 2, 1, 4, dtype=torch.float64)
        raw[:, 1] = raw_of(width)
        raw.requires_grad_()
        Laplace(beta=beta)(raw, errors).backward()
        assert raw.grad is not None
        slopes.append(raw.grad[:, 1].sum().item())
    assert slopes[0] < 0 < slopes[2] and slopes[1] == pytest.approx(0, abs=1e-6)


def test_widths_are_bounded_and_rise_with_the_output() -> None:
    raw = torch.tensor([-1e30, -20.0, -1.0, 0.0, 1.0, 20.0, 1e30]).view(1, 1, 1, 7)
    widths = width_of(raw).flatten()
    assert (widths.diff() >= 0).all() and widths[3] == 1
    assert widths[0].item() == pytest.approx(LEAST_WIDTH) and widths[-1].item() == pytest.approx(1 / LEAST_WIDTH)


def test_angles_are_right_at_both_ends() -> None:
    a = torch.tensor([[0.0, 0.0, 2.0]]).double().view(1, 3, 1, 1)
    for degrees in (1e-3, 1.0, 90.0, 179.0):
        t = math.radians(degrees)
        b = torch.tensor([math.sin(t), 0.0, math.cos(t)]).double().view(1, 3, 1, 1)
        assert angular.angle(a, 3 * b).rad2deg().item() == pytest.approx(degrees, rel=1e-6)


def test_a_target_has_one_channel_less() -> None:
    with pytest.raises(ValueError, match=r"for a prediction of .* it must be \(1, 1, 2, 3\)"):
        Laplace()(torch.zeros(1, 2, 2, 3), torch.zeros(1, 3, 2, 3))
    with pytest.raises(ValueError, match=r"target are \(1, 1, 2, 3\): the prediction needs one channel more"):
        Laplace()(torch.zeros(1, 1, 2, 3), torch.zeros(1, 1, 2, 3))
    assert Laplace()(torch.zeros(1, 2, 1, 1), Target(torch.zeros(1, 1, 1, 1), EVERYWHERE)).isfinite()
