"""Every loss against its formula in float64 numpy, and what must hold of all of them."""

from dataclasses import fields
from typing import get_args

import numpy as np
import pytest
import torch
import tyro

from taskscape.batch import Target
from taskscape.losses import (
    L1,
    MSE,
    Cosine,
    CrossEntropy,
    DepthLoss,
    LogL1,
    Loss,
    NormalsLoss,
    SegmentationLoss,
    SILog,
    SmoothL1,
)

CLASSES = 5
LOSSES = [
    CrossEntropy(),
    CrossEntropy(class_weights=(0.5, 1.0, 2.0, 0.1, 3.0)),
    CrossEntropy(label_smoothing=0.2),
    CrossEntropy(class_weights=(0.5, 1.0, 2.0, 0.1, 3.0), label_smoothing=0.2),
    L1(),
    MSE(),
    LogL1(),
    SmoothL1(),
    SmoothL1(beta=0.3),
    SILog(),
    SILog(gamma=0.6, eps=1e-3),
    SILog(per_image=False),
    Cosine(),
]
every_loss = pytest.mark.parametrize("loss", LOSSES, ids=str)


def example(loss, seed=0, shape=(3, 4, 6), dtype=torch.float64):
    """A prediction and a target; the middle image has no valid pixel, invalid pixels hold garbage."""
    g = torch.Generator().manual_seed(seed)
    b, h, w = shape
    valid = torch.rand(shape, generator=g) < 0.7
    valid[b // 2] = False
    if isinstance(loss, CrossEntropy):
        prediction = torch.randn(b, CLASSES, h, w, generator=g, dtype=dtype)
        return prediction, Target(torch.randint(CLASSES, shape, generator=g).masked_fill(~valid, 255), valid)
    channels = 3 if isinstance(loss, Cosine) else 1
    prediction, value = torch.randn(2, b, channels, h, w, generator=g, dtype=dtype)
    if loss.name == "si-log":
        prediction, value = prediction.exp(), value.exp()
    return prediction, Target(value.masked_fill(~valid[:, None], 0.0), valid)


def by_hand(loss, prediction, target):
    """The loss as its definition says, pixel by pixel."""
    p, value, valid = prediction.numpy(), target.value.numpy(), target.valid.numpy()
    pixels = list(zip(*np.nonzero(valid), strict=True))
    if isinstance(loss, CrossEntropy):
        weights = np.array(loss.class_weights or [1.0] * CLASSES)
        s, losses, amount = loss.label_smoothing, 0.0, 0.0
        for b, i, j in pixels:
            minus_log = np.log(np.exp(p[b, :, i, j]).sum()) - p[b, :, i, j]
            y = value[b, i, j]
            losses += (1 - s) * weights[y] * minus_log[y] + s * (weights * minus_log).mean()
            amount += weights[y]
        return losses / amount
    if isinstance(loss, Cosine):
        pairs = [(p[b, :, i, j], value[b, :, i, j]) for b, i, j in pixels]
        return np.mean([1 - u @ v / np.linalg.norm(u) / np.linalg.norm(v) for u, v in pairs])
    d = np.array([p[b, 0, i, j] - value[b, 0, i, j] for b, i, j in pixels])
    match loss:
        case L1():
            return np.abs(d).mean()
        case MSE():
            return (d**2).mean()
        case LogL1():
            return np.log(1 + np.abs(d)).mean()
        case SmoothL1():
            beta = loss.beta
            return np.where(np.abs(d) < beta, d**2 / (2 * beta), np.abs(d) - beta / 2).mean()
        case SILog():
            with np.errstate(divide="ignore"):
                error = np.log(value[:, 0]) - np.log(p[:, 0])
            images = [e[v] for e, v in zip(error, valid, strict=True) if v.any()]
            groups = images if loss.per_image else [np.concatenate(images)]
            return np.sqrt(np.mean([e.var() + loss.gamma * e.mean() ** 2 for e in groups]) + loss.eps)


def gradient(loss, prediction, target):
    leaf = prediction.clone().requires_grad_()
    value = loss(leaf, target)
    value.backward()
    return value.detach(), leaf.grad


@every_loss
@pytest.mark.parametrize("seed", range(3))
def test_formula(loss, seed):
    prediction, target = example(loss, seed)
    np.testing.assert_allclose(loss(prediction, target).item(), by_hand(loss, prediction, target), rtol=1e-12)


@every_loss
def test_gradient_is_the_slope(loss):
    prediction, target = example(loss, shape=(3, 2, 3))
    assert torch.autograd.gradcheck(lambda p: loss(p, target), prediction.requires_grad_())


@every_loss
@pytest.mark.parametrize("garbage", [0.0, -1.0, 255.0, 3e38, -3e38])
def test_invalid_pixels_count_for_nothing(loss, garbage):
    prediction, target = example(loss, dtype=torch.float32)
    value, slope = gradient(loss, prediction, target)
    invalid = ~target.valid if target.value.ndim == 3 else ~target.valid[:, None]
    if isinstance(loss, CrossEntropy):
        garbage = int(max(min(garbage, 2**62), -(2**62)))
    other = Target(target.value.masked_fill(invalid, garbage), target.valid)
    elsewhere = prediction.masked_fill(~target.valid[:, None], -1e6)
    for changed in (prediction, elsewhere):
        value_2, slope_2 = gradient(loss, changed, other)
        assert value_2 == value
        assert torch.equal(slope_2, slope)
    assert not slope.masked_select(~target.valid[:, None]).any()


@every_loss
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_perfect_prediction_has_finite_gradient(loss, dtype):
    prediction, target = example(loss, dtype=dtype)
    if not isinstance(loss, CrossEntropy):
        prediction = target.value.clone()
    value, slope = gradient(loss, prediction, target)
    assert value.isfinite() and slope.isfinite().all()
    if loss.name in {"l1", "mse", "log-l1", "smooth-l1"}:
        assert value == 0
    if loss.name == "cosine":
        assert value.abs() < 1e-6


@every_loss
def test_zero_prediction_has_finite_gradient(loss):
    prediction, target = example(loss, dtype=torch.float32)
    value, slope = gradient(loss, torch.zeros_like(prediction), target)
    assert value.isfinite() and slope.isfinite().all()


@every_loss
def test_narrow_predictions_are_compared_in_float32(loss):
    prediction, target = example(loss, dtype=torch.float32)
    narrow = prediction.bfloat16()
    value = loss(narrow, target)
    assert value.dtype == torch.float32
    assert value == loss(narrow.float(), target)


def test_scale_of_the_prediction():
    prediction, target = example(SILog())
    forgiving = SILog(gamma=0.0)
    torch.testing.assert_close(forgiving(3 * prediction, target), forgiving(prediction, target))
    direction, normals = example(Cosine())
    torch.testing.assert_close(Cosine()(3 * direction, normals), Cosine()(direction, normals))


def test_classes_weighted_alike_are_the_plain_mean():
    prediction, target = example(CrossEntropy())
    weighted = CrossEntropy(class_weights=(7.0,) * CLASSES)
    torch.testing.assert_close(weighted(prediction, target), CrossEntropy()(prediction, target))


@pytest.mark.parametrize(
    ("settings", "remedy"),
    [
        (lambda: CrossEntropy(class_weights=(1.0, -1.0)), "must be positive"),
        (lambda: CrossEntropy(class_weights=(1.0, 0.0)), "marked invalid"),
        (lambda: CrossEntropy(class_weights=(1.0, float("nan"))), "must be positive"),
        (lambda: CrossEntropy(label_smoothing=1.0), "below 1"),
        (lambda: CrossEntropy(label_smoothing=-0.1), "at least 0"),
        (lambda: SmoothL1(beta=0.0), "l1"),
        (lambda: SILog(gamma=1.1), "from 0 to 1"),
        (lambda: SILog(gamma=-0.1), "from 0 to 1"),
        (lambda: SILog(eps=0.0), "positive"),
    ],
)
def test_bad_settings_are_refused(settings, remedy):
    with pytest.raises(ValueError, match=remedy):
        settings()


def test_wrong_number_of_class_weights():
    prediction, target = example(CrossEntropy())
    with pytest.raises(ValueError, match=f"2 entries for {CLASSES} classes"):
        CrossEntropy(class_weights=(1.0, 2.0))(prediction, target)


def concrete(union):
    return get_args(union) or (union,)


def test_names_are_those_of_the_command_line():
    kinds = [kind for union in (SegmentationLoss, DepthLoss, NormalsLoss) for kind in concrete(union)]
    assert {type(loss) for loss in LOSSES} == set(kinds)
    assert all(issubclass(kind, Loss) for kind in kinds)
    assert [kind.in_metres for kind in concrete(DepthLoss)] == [kind is SILog for kind in concrete(DepthLoss)]
    for kind in concrete(DepthLoss):
        assert tyro.cli(DepthLoss, args=[kind.name]) == kind()
    for kind in concrete(SegmentationLoss) + concrete(NormalsLoss):
        assert tyro.cli(kind | L1, args=[kind.name]) == kind()


def test_fields_are_flags():
    parsed = tyro.cli(DepthLoss, args=["si-log", "--gamma", "0.5", "--no-per-image"])
    assert parsed == SILog(gamma=0.5, per_image=False)
    assert tyro.cli(SegmentationLoss, args=["--class-weights", "1", "2"]) == CrossEntropy(class_weights=(1.0, 2.0))
    assert [f.name for f in fields(SILog)] == ["gamma", "eps", "per_image"]
