"""Every loss against its formula in float64 numpy, and properties of all losses."""

from dataclasses import fields
from typing import get_args

import numpy as np
import pytest
import torch
import torch.nn.functional as F
import tyro

from taskscape.batch import Target
from taskscape.losses import (
    L1,
    LOSSES,
    MSE,
    SSIM,
    AlbedoLoss,
    Angular,
    BalancedCrossEntropy,
    BoundaryLoss,
    Cosine,
    CrossEntropy,
    CrossEntropyJaccard,
    DepthLoss,
    KLDivergence,
    Laplace,
    Likelihood,
    LogL1,
    Loss,
    NormalsLoss,
    ScaleInvariantMSE,
    SegmentationLoss,
    SILog,
    SmoothL1,
)

CLASSES = 5
EXAMPLES = [
    CrossEntropy(),
    CrossEntropy(class_weights=(0.5, 1.0, 2.0, 0.1, 3.0)),
    CrossEntropy(label_smoothing=0.2),
    CrossEntropyJaccard(),
    CrossEntropyJaccard(class_weights=(0.5, 1.0, 2.0, 0.1, 3.0), jaccard=3.0),
    CrossEntropyJaccard(class_weights=(0.5, 1.0, 2.0, 0.1, 3.0), label_smoothing=0.2),
    CrossEntropy(class_weights=(0.5, 1.0, 2.0, 0.1, 3.0), label_smoothing=0.2),
    KLDivergence(),
    KLDivergence(label_smoothing=0.3),
    L1(),
    MSE(),
    LogL1(),
    SmoothL1(),
    SmoothL1(beta=0.3),
    SILog(),
    SILog(gamma=0.6, eps=1e-3),
    SILog(per_image=False),
    SSIM(),
    Cosine(),
    BalancedCrossEntropy(),
    BalancedCrossEntropy(negative_weight=1.1),
    ScaleInvariantMSE(),
    Laplace(beta=0.0),
    Angular(beta=0.0),
]
ENTROPIES = (CrossEntropy, KLDivergence)
OF_CLASSES = (*ENTROPIES, CrossEntropyJaccard)
OF_LABELS = (*OF_CLASSES, BalancedCrossEntropy)
"""Losses whose predictions are scores, not values."""
every_loss = pytest.mark.parametrize("loss", EXAMPLES, ids=str)


def mean(loss, prediction, target):
    """Return the scalar loss of a batch on one process."""
    return loss.mean(loss.term(prediction, target))


def example(loss, seed=0, shape=(3, 4, 6), dtype=torch.float64):
    """Return a prediction and a target; the middle image has no valid pixel, invalid pixels hold garbage."""
    g = torch.Generator().manual_seed(seed)
    b, h, w = shape
    valid = torch.rand(shape, generator=g) < (0.95 if isinstance(loss, SSIM) else 0.7)  # 3×3 windows need whole ones
    valid[b // 2] = False
    if isinstance(loss, OF_CLASSES):
        prediction = torch.randn(b, CLASSES, h, w, generator=g, dtype=dtype)
        return prediction, Target(torch.randint(CLASSES, shape, generator=g).masked_fill(~valid, 255), valid)
    channels = 3 if isinstance(loss, Cosine | ScaleInvariantMSE | Angular) else 1
    prediction, value = torch.randn(2, b, channels, h, w, generator=g, dtype=dtype)
    if isinstance(loss, Likelihood):
        prediction = torch.cat([prediction, torch.randn(b, 1, h, w, generator=g, dtype=dtype)], 1)
    if isinstance(loss, BalancedCrossEntropy):
        value = (value > 0.8).to(dtype)
    if loss.name == "si-log":
        prediction, value = prediction.exp(), value.exp()
    return prediction, Target(value.masked_fill(~valid[:, None], 0.0), valid)


def soft_ious(p, value, pixels):
    """Return the soft IoU of each class that occurs in the labels."""
    q = [np.exp(p[b, :, i, j]) / np.exp(p[b, :, i, j]).sum() for b, i, j in pixels]
    y = [np.eye(CLASSES)[value[pixel]] for pixel in pixels]
    for k in range(CLASSES):
        if any(label[k] for label in y):
            both = sum(a[k] * b[k] for a, b in zip(q, y, strict=True))
            yield both / sum(a[k] + b[k] - a[k] * b[k] for a, b in zip(q, y, strict=True))


def by_hand(loss, prediction, target):
    """Return the loss by its definition, pixel by pixel."""
    p, value, valid = prediction.numpy(), target.value.numpy(), target.valid.numpy()
    pixels = list(zip(*np.nonzero(valid), strict=True))
    if isinstance(loss, KLDivergence):
        q = np.exp(p) / np.exp(p).sum(1, keepdims=True)
        uniform = np.full(CLASSES, loss.label_smoothing / CLASSES)
        labels = [uniform + (1 - loss.label_smoothing) * np.eye(CLASSES)[value[pixel]] for pixel in pixels]
        divergences = []
        for label, (b, i, j) in zip(labels, pixels, strict=True):
            some = label > 0
            divergences.append((label[some] * np.log(label[some] / q[b, some, i, j])).sum())
        return np.mean(divergences)
    if isinstance(loss, CrossEntropy | CrossEntropyJaccard):
        weights = np.array(loss.class_weights or [1.0] * CLASSES)
        s, losses, amount = loss.label_smoothing, 0.0, 0.0
        for b, i, j in pixels:
            minus_log = np.log(np.exp(p[b, :, i, j]).sum()) - p[b, :, i, j]
            y = value[b, i, j]
            losses += (1 - s) * weights[y] * minus_log[y] + s * (weights * minus_log).mean()
            amount += weights[y]
        if isinstance(loss, CrossEntropyJaccard):
            return losses / amount + loss.jaccard * (1 - np.mean(list(soft_ious(p, value, pixels))))
        return losses / amount
    if isinstance(loss, BalancedCrossEntropy):
        return np.mean(
            [balanced(*image, loss.negative_weight) for image in zip(p, value, valid, strict=True) if image[2].any()]
        )
    if isinstance(loss, ScaleInvariantMSE):
        images = [(x[:, v], y[:, v]) for x, y, v in zip(p, value, valid, strict=True) if v.any()]
        # The best scale, by an independent least-squares solver.
        return np.mean([np.linalg.lstsq(x.reshape(-1, 1), y.ravel(), rcond=None)[1] / y.size for x, y in images])
    if isinstance(loss, SSIM):
        return np.mean(list(windows(p, value, valid)))
    if isinstance(loss, Cosine):
        pairs = [(p[b, :, i, j], value[b, :, i, j]) for b, i, j in pixels]
        return np.mean([1 - u @ v / np.linalg.norm(u) / np.linalg.norm(v) for u, v in pairs])
    if isinstance(loss, Angular):
        triples = [(p[b, :3, i, j], value[b, :, i, j], np.exp(-6 * np.tanh(p[b, 3, i, j] / 6))) for b, i, j in pixels]
        angles = [np.arccos(u @ v / np.linalg.norm(u) / np.linalg.norm(v)) for u, v, _ in triples]
        densities = [
            (k**2 + 1) * np.exp(-k * t) / (2 * np.pi * (1 + np.exp(-k * np.pi)))
            for t, (_, _, k) in zip(angles, triples, strict=True)
        ]
        most = (np.exp(12) + 1) / (2 * np.pi)  # the peak at the smallest width: the loss counts from there
        return -np.log(densities).mean() + np.log(most)
    d = np.array([p[b, 0, i, j] - value[b, 0, i, j] for b, i, j in pixels])
    match loss:
        case Laplace():
            width = np.array([np.exp(6 * np.tanh(p[b, 1, i, j] / 6)) for b, i, j in pixels])
            return -np.log(np.exp(-np.abs(d) / width) / (2 * width)).mean() - np.log(2) + 6
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


def windows(x, y, valid):
    """Return (1 - SSIM) / 2 of every complete 3×3 window of every channel."""
    for b, c, i, j in np.ndindex(*x.shape[:2], x.shape[2] - 2, x.shape[3] - 2):
        window = (slice(i, i + 3), slice(j, j + 3))
        if valid[b][window].all():
            u, v = x[b, c][window], y[b, c][window]
            covariance = ((u - u.mean()) * (v - v.mean())).mean()
            similarity = (2 * u.mean() * v.mean() + 1e-4) * (2 * covariance + 9e-4)
            yield (1 - similarity / (u.mean() ** 2 + v.mean() ** 2 + 1e-4) / (u.var() + v.var() + 9e-4)) / 2


def balanced(logit, label, valid, negative_weight):
    """Return the weighted cross-entropy of one image with HED's weights, divided by the sum of the weights."""
    x, y = logit[0][valid], label[0][valid]
    p = 1 / (1 + np.exp(-x))
    beta = (1 - y).mean()
    weight = np.where(y == 1, beta, negative_weight * (1 - beta))
    return -(weight * np.where(y == 1, np.log(p), np.log(1 - p))).sum() / weight.sum()


def gradient(loss, prediction, target):
    leaf = prediction.clone().requires_grad_()
    value = mean(loss, leaf, target)
    value.backward()
    return value.detach(), leaf.grad


@every_loss
def test_formula(loss):
    for seed in range(3):
        prediction, target = example(loss, seed)
        np.testing.assert_allclose(mean(loss, prediction, target).item(), by_hand(loss, prediction, target), rtol=1e-12)


@every_loss
def test_gradient_is_the_slope(loss):
    prediction, target = example(loss, shape=(3, 3, 4))
    assert torch.autograd.gradcheck(lambda p: mean(loss, p, target), prediction.requires_grad_())


@every_loss
@pytest.mark.parametrize("garbage", [0.0, -1.0, 255.0, 3e38, -3e38])
def test_invalid_pixels_count_for_nothing(loss, garbage):
    prediction, target = example(loss, dtype=torch.float32)
    value, slope = gradient(loss, prediction, target)
    invalid = ~target.valid if target.value.ndim == 3 else ~target.valid[:, None]
    if isinstance(loss, OF_CLASSES):
        garbage = int(max(min(garbage, 2**62), -(2**62)))
    other = Target(target.value.masked_fill(invalid, garbage), target.valid)
    elsewhere = [prediction.masked_fill(~target.valid[:, None], number) for number in (-1e6, -1e30)]
    for changed in (prediction, *elsewhere):
        value_2, slope_2 = gradient(loss, changed, other)
        assert value_2 == value
        assert torch.equal(slope_2, slope)
    assert not slope.masked_select(~target.valid[:, None]).any()


@every_loss
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_perfect_prediction_has_finite_gradient(loss, dtype):
    prediction, target = example(loss, dtype=dtype)
    if not isinstance(loss, OF_LABELS):
        prediction = target.value.clone()
    if isinstance(loss, Likelihood):
        prediction = F.pad(prediction, (0, 0, 0, 0, 0, 1))
    value, slope = gradient(loss, prediction, target)
    assert value.isfinite() and slope.isfinite().all()
    if loss.name in {"l1", "mse", "log-l1", "smooth-l1", "scale-invariant-mse"}:
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
    value = mean(loss, narrow, target)
    assert value.dtype == torch.float32
    assert value == mean(loss, narrow.float(), target)


def test_scale_of_the_prediction():
    prediction, target = example(SILog())
    forgiving = SILog(gamma=0.0)
    torch.testing.assert_close(mean(forgiving, 3 * prediction, target), mean(forgiving, prediction, target))
    direction, normals = example(Cosine())
    for factor in (3, 1e-6):
        torch.testing.assert_close(mean(Cosine(), factor * direction, normals), mean(Cosine(), direction, normals))


def test_a_scale_that_is_far_off_is_finite():
    """Var(ε) is a difference of large numbers here, which rounding may bring below 0."""
    loss, meters = SILog(gamma=0.0, per_image=False), torch.full((1, 1, 50, 70), 1.0)
    for exponent in range(1, 200):
        value = loss(meters * 1.3**exponent, meters)
        assert value.isfinite() and value < 0.05


def test_the_best_scale_is_forgiven():
    prediction, target = example(ScaleInvariantMSE())
    loss = ScaleInvariantMSE()
    per_image = torch.tensor([0.3, 1.0, 70.0], dtype=torch.float64).view(3, 1, 1, 1)
    torch.testing.assert_close(mean(loss, per_image * prediction, target), mean(loss, prediction, target))


def test_an_image_of_one_kind_alone_counts_the_mean_of_its_pixels():
    logit = torch.randn(1, 1, 4, 5, dtype=torch.float64)
    valid = torch.ones(1, 4, 5, dtype=torch.bool)
    for value in (0.0, 1.0):
        label = torch.full_like(logit, value)
        entropy = F.binary_cross_entropy_with_logits(logit, label)
        torch.testing.assert_close(mean(BalancedCrossEntropy(), logit, Target(label, valid)), entropy / 2)


def test_weights_may_add_up_to_less_than_one():
    """A few pixels of classes with small weights: the mean is divided by the sum of the weights, whatever it is."""
    prediction, target = example(CrossEntropy())
    weights = (0.5, 1.0, 2.0, 0.1, 3.0)
    for kind in (CrossEntropy, CrossEntropyJaccard):
        small = kind(class_weights=tuple(1e-5 * weight for weight in weights))
        torch.testing.assert_close(mean(small, prediction, target), mean(kind(weights), prediction, target))


def test_classes_weighted_alike_are_the_plain_mean():
    prediction, target = example(CrossEntropy())
    weighted = CrossEntropy(class_weights=(7.0,) * CLASSES)
    torch.testing.assert_close(mean(weighted, prediction, target), mean(CrossEntropy(), prediction, target))


@every_loss
def test_parts_of_a_batch_add_up(loss):
    prediction, target = example(loss)
    parts = [loss.term(prediction[i], Target(target.value[i], target.valid[i])) for i in (slice(1), slice(1, 3))]
    whole = loss.term(prediction, target)
    torch.testing.assert_close(parts[0].sum + parts[1].sum, whole.sum)
    torch.testing.assert_close(parts[0].count + parts[1].count, whole.count)


@every_loss
def test_nothing_valid_is_finite_and_without_slope(loss):
    prediction, target = example(loss)
    value, slope = gradient(loss, prediction, Target(target.value, torch.zeros_like(target.valid)))
    assert value == 0 and not slope.any()


def test_ssim_without_a_whole_window():
    valid = torch.zeros(1, 6, 6, dtype=torch.bool)
    valid[0, 0, 0] = True
    target = Target(torch.ones(1, 1, 6, 6).masked_fill(~valid, torch.inf), valid)
    value, slope = gradient(SSIM(), torch.rand(1, 1, 6, 6), target)
    assert value == 0 and not slope.any()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_cross_entropy_is_that_of_torch_in_every_order_in_memory(dtype):
    generator = torch.Generator().manual_seed(0)
    scores = torch.randn(2, 19, 7, 9, generator=generator).to(dtype)
    ids = torch.randint(19, (2, 7, 9), generator=generator)
    for order in (torch.contiguous_format, torch.channels_last):
        ours, theirs = (scores.clone(memory_format=order).requires_grad_() for _ in range(2))
        pixels = F.cross_entropy(theirs.float(), ids, reduction="none")
        term = CrossEntropy().term(ours, Target(ids, torch.ones(2, 7, 9, dtype=torch.bool)))
        assert torch.equal(term.sum, pixels.sum())
        assert torch.equal(*(torch.autograd.grad(x, of)[0] for x, of in ((term.sum, ours), (pixels.sum(), theirs))))


def test_kl_divergence_has_the_gradient_of_cross_entropy():
    prediction, target = example(CrossEntropy())
    for smoothing in (0.0, 0.3):
        slopes = [gradient(kind(label_smoothing=smoothing), prediction, target)[1] for kind in ENTROPIES]
        torch.testing.assert_close(*slopes)
    same = F.one_hot(target.value.masked_fill(~target.valid, 0), CLASSES).movedim(-1, 1) * 100.0
    assert mean(KLDivergence(), same, target).abs() < 1e-12


def test_si_log_over_the_whole_batch_is_right_where_the_scale_is_far_off():
    torch.manual_seed(0)
    true = torch.rand(2, 1, 40, 50) * 50 + 2
    guess = true * 1000 * (torch.randn_like(true) * 0.1).exp()
    target = Target(true, torch.ones(2, 40, 50, dtype=torch.bool))
    loss = SILog(gamma=0.0, per_image=False)
    exact = mean(loss, guess.double(), Target(true.double(), target.valid))
    torch.testing.assert_close(mean(loss, guess, target).double(), exact, rtol=1e-3, atol=0)


@pytest.mark.parametrize(
    ("settings", "remedy"),
    [
        (lambda: CrossEntropy(class_weights=(1.0, -1.0)), "must be positive"),
        (lambda: CrossEntropy(class_weights=(1.0, 0.0)), "as invalid in the data"),
        (lambda: CrossEntropy(class_weights=(1.0, float("nan"))), "must be finite"),
        (lambda: CrossEntropy(label_smoothing=1.0), "below 1"),
        (lambda: CrossEntropy(label_smoothing=-0.1), "at least 0"),
        (lambda: KLDivergence(label_smoothing=1.0), "below 1"),
        (lambda: SmoothL1(beta=0.0), "above 0"),
        (lambda: BalancedCrossEntropy(negative_weight=0.0), "above 0"),
        (lambda: CrossEntropyJaccard(jaccard=0.0), "above 0"),
        (lambda: CrossEntropy(logit_adjustment=1.5), "at least 0 and at most 1"),
        (lambda: SILog(gamma=1.1), "at most 1"),
        (lambda: SILog(gamma=-0.1), "at least 0"),
        (lambda: SILog(eps=0.0), "above 0"),
    ],
)
def test_bad_settings_are_refused(settings, remedy):
    with pytest.raises(ValueError, match=remedy):
        settings()


@pytest.mark.parametrize("kind", [CrossEntropy, CrossEntropyJaccard])
def test_the_adjustment_is_added_to_the_scores(kind):
    weights = (0.5, 1.0, 2.0, 0.1, 3.0)
    prediction, target = example(kind())
    shifted = prediction + 0.5 * torch.tensor(weights).log()[:, None, None]
    adjusted = kind(class_weights=weights, logit_adjustment=0.5)
    torch.testing.assert_close(mean(adjusted, prediction, target), mean(kind(class_weights=weights), shifted, target))
    assert torch.equal(mean(kind(logit_adjustment=0.5), prediction, target), mean(kind(), prediction, target))


def test_wrong_number_of_class_weights():
    prediction, target = example(CrossEntropy())
    with pytest.raises(ValueError, match=f"2 entries for {CLASSES} classes"):
        CrossEntropy(class_weights=(1.0, 2.0))(prediction, target)


def concrete(union):
    return get_args(union) or (union,)


CHOICES = [SegmentationLoss, DepthLoss, NormalsLoss, BoundaryLoss, AlbedoLoss]


def test_every_loss_is_registered_and_tested():
    assert {type(loss) for loss in EXAMPLES} == set(LOSSES)
    assert {kind for union in CHOICES for kind in concrete(union)} <= set(LOSSES)
    assert len({kind.name for kind in LOSSES}) == len(LOSSES)
    assert all(issubclass(kind, Loss) for kind in LOSSES)
    assert [kind for kind in LOSSES if kind.space == "value"] == [SILog, ScaleInvariantMSE]


@pytest.mark.parametrize("union", CHOICES, ids=str)
def test_names_are_those_of_the_command_line(union):
    for kind in concrete(union):
        assert tyro.cli(union if get_args(union) else union | L1, args=[kind.name]) == kind()


def test_fields_are_flags():
    parsed = tyro.cli(DepthLoss, args=["si-log", "--gamma", "0.5", "--no-per-image"])
    assert parsed == SILog(gamma=0.5, per_image=False)
    assert tyro.cli(SegmentationLoss, args=["cross-entropy", "--class-weights", "1", "2"]) == CrossEntropy(
        class_weights=(1.0, 2.0)
    )
    assert [f.name for f in fields(SILog)] == ["gamma", "eps", "per_image"]


@every_loss
def test_plain_tensors_are_compared_as_a_target_is(loss):
    prediction, target = example(loss)
    expected = mean(loss, prediction, target)
    assert torch.equal(loss(prediction, target), expected)
    assert torch.equal(loss(prediction, target.value, target.valid), expected)
    value = target.value.masked_fill(target.value == 0, 1)  # without a mask all pixels count
    assert loss(prediction[:1], value[:1]).isfinite()


@pytest.mark.parametrize(
    ("loss", "value", "message"),
    [
        (SILog(), 0.0, r"depths that are not above 0 at valid pixels.*valid=meters\[:, 0\] > 0"),
        (SILog(), float("nan"), r"NaN or infinite values at valid pixels.*valid=target.isfinite\(\).all\(1\)"),
        (L1(), float("nan"), "NaN or infinite values at valid pixels"),
        (MSE(), float("inf"), "NaN or infinite values at valid pixels"),
        (BalancedCrossEntropy(), 255.0, r"values of 0.5 … 255 at valid pixels.*must be 0 … 1"),
        (BalancedCrossEntropy(), -1.0, "must be 0 … 1"),
    ],
)
def test_impossible_values_are_refused_unless_masked(loss, value, message):
    prediction, target, valid = torch.ones(1, 1, 2, 3), torch.ones(1, 1, 2, 3), torch.ones(1, 2, 3, dtype=torch.bool)
    target[..., 1] = 0.5
    expected = loss(prediction[..., 1:], target[..., 1:])
    target[..., 0], valid[..., 0] = value, False
    assert loss(prediction, target, valid) == expected
    with pytest.raises(ValueError, match=message):
        loss(prediction, target)


@pytest.mark.parametrize(("loss", "channels"), [(Cosine(), 3), (Angular(), 4)])
def test_directions_of_length_zero_are_refused_unless_masked(loss, channels):
    """Data sets mark pixels without a normal with zeros."""
    prediction, target = torch.rand(1, channels, 2, 3), torch.rand(1, 3, 2, 3) - 2
    target[..., 0] = 0
    expected = loss(prediction[..., 1:], target[..., 1:])
    torch.testing.assert_close(loss(prediction, target, valid=target.any(1)), expected)
    with pytest.raises(ValueError, match=r"vectors of length 0 at valid pixels.*valid=normals.any\(1\)"):
        loss(prediction, target)


@pytest.mark.parametrize("kind", [torch.uint8, torch.int16, torch.uint16, torch.int32, torch.int64])
def test_integers_are_compared_as_their_values(kind):
    """Files of depth and class ids have 8 or 16 bits."""
    prediction, values = torch.rand(1, 5, 2, 3), torch.tensor([[[0, 1, 2], [3, 4, 255]]])
    assert torch.equal(CrossEntropy()(prediction, values.to(kind)), CrossEntropy()(prediction, values))
    meters = values[:, None].float()
    assert torch.equal(L1()(prediction[:, :1], meters.to(kind)), L1()(prediction[:, :1], meters))


@pytest.mark.parametrize("kind", OF_CLASSES)
def test_one_channel_is_no_score_of_two_classes(kind):
    """The loss of a single class is 0 whatever the prediction, so nothing would be learned."""
    with pytest.raises(ValueError, match=r"the prediction has 1 channel.*2 for two classes"):
        kind()(torch.rand(1, 1, 2, 3), torch.zeros(1, 2, 3, dtype=torch.int64))


def test_depth_has_one_channel():
    with pytest.raises(ValueError, match="the prediction has 2 channels, but depth has one"):
        SILog()(torch.ones(2, 2, 2, 2), torch.ones(2, 2, 2, 2))


@pytest.mark.parametrize("kind", ENTROPIES)
def test_ids_without_a_class_are_ignored(kind):
    prediction, target = example(kind())
    torch.testing.assert_close(kind()(prediction, target.value), mean(kind(), prediction, target))
    ids = target.value.masked_fill(~target.valid, -100)
    expected = F.cross_entropy(prediction, ids)
    assert kind(ignore_index=-100)(prediction, ids).item() == pytest.approx(expected.item())
    without = kind(ignore_index=2)
    others = target._replace(valid=target.valid & (target.value != 2))
    torch.testing.assert_close(without(prediction, target), mean(kind(), prediction, others))
    torch.testing.assert_close(without(prediction, target.value, target.valid), mean(kind(), prediction, others))
    torch.testing.assert_close(kind()(prediction, target.value.byte()), mean(kind(), prediction, target))
    with pytest.raises(ValueError, match=r"ids \[-100\].*5 classes, 0 … 4.*ignore_index"):
        kind()(prediction, ids)
    with pytest.raises(ValueError, match="class ids are integers"):
        kind()(prediction, target.value.double())
    many, ids = torch.zeros(1, 300, 1, 2), torch.tensor([[[255, 3]]])
    with pytest.raises(ValueError, match="class 255 of 300 would be ignored"):
        kind()(many, ids)
    assert kind(ignore_index=-1)(many, ids).isfinite()


@pytest.mark.parametrize("kind", OF_CLASSES)
@pytest.mark.parametrize("ignored", [0, 2])
def test_a_class_is_ignored_in_training_too(kind, ignored):
    """Training calls ``term``, whose targets have a mask."""
    prediction, target = example(kind())
    others = target._replace(valid=target.valid & (target.value != ignored))
    torch.testing.assert_close(mean(kind(ignore_index=ignored), prediction, target), mean(kind(), prediction, others))


@every_loss
def test_shapes_that_would_be_broadcast_are_refused(loss):
    prediction, target = example(loss)
    value = target.value.unsqueeze(1) if isinstance(loss, OF_CLASSES) else target.value[:, 0]
    with pytest.raises(ValueError, match=r"the target is \(3, .*squeeze\(1\)"):
        loss(prediction, value)
    with pytest.raises(ValueError, match=r"valid is torch.bool \(3, 1, 4, 6\)"):
        loss(prediction, target.value, target.valid.unsqueeze(1))
    with pytest.raises(ValueError, match="its own mask"):
        loss(prediction, target, target.valid)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
@every_loss
def test_a_gpu_gives_the_same(loss):
    prediction, target = example(loss)
    found = []
    for device in ("cpu", "cuda"):
        x = prediction.to(device).requires_grad_()
        y = mean(loss, x, Target(*(part.to(device) for part in target)))
        y.backward()
        found.append((y.detach().cpu(), x.grad.cpu()))
    torch.testing.assert_close(*found)


@every_loss
def test_arrays_are_no_tensors(loss):
    prediction, target = example(loss)
    for wrong in ((prediction.numpy(), target), (prediction, target.value.numpy(), target.valid)):
        with pytest.raises(ValueError, match="is of type ndarray: give a tensor"):
            loss(*wrong)
