"""Albedo: stored in 8 bits, evaluated after the best scaling, and trained, reported and predicted like any task."""

import math

import numpy as np
import pytest
import torch

from taskscape import modalities
from taskscape.batch import Target
from taskscape.losses import L1
from taskscape.metrics import AlbedoMetrics
from taskscape.modalities.albedo import decode_8bit, encode_8bit
from taskscape.tasks import Albedo
from taskscape.views import AlbedoView

MODALITY = modalities.Albedo()
VIEW = AlbedoView(MODALITY)


# -- store -------------------------------------------------------------------------------------------------------------


def test_8_bit_values_are_srgb() -> None:
    every = np.arange(256, dtype=np.uint8)
    np.testing.assert_array_equal(encode_8bit(decode_8bit(every)), every)
    assert encode_8bit(np.array([0.0, 0.0031308, 0.18, 0.5, 1.0, 2.0, -1.0])).tolist() == [0, 10, 118, 188, 255, 255, 0]
    assert decode_8bit(np.array([0, 10, 118, 255], np.uint8)) == pytest.approx([0, 0.003035, 0.181164, 1], abs=1e-6)


def test_a_store_keeps_albedo_and_where_there_is_none() -> None:
    rng = np.random.default_rng(0)
    albedo, valid = rng.uniform(0, 1, (5, 6, 3)).astype(np.float32), rng.random((5, 6)) < 0.7
    albedo[0, 0], valid[0, 0] = 0.0, True  # black, but a valid label
    albedo[0, 1], valid[0, 1] = math.nan, False
    stored = MODALITY.pack(albedo, valid)
    assert stored.dtype == np.uint8 and stored[0, 0].tolist() == [1, 1, 1] and not stored[~valid].any()
    target = MODALITY.unpack(torch.from_numpy(stored)[None])
    assert target.value.shape == (1, 3, 5, 6) and target.value.dtype == torch.float32
    np.testing.assert_array_equal(target.valid[0].numpy(), valid)
    np.testing.assert_allclose(MODALITY.to_array(target.value)[0][valid], albedo[valid], atol=0.005)
    with pytest.raises(ValueError, match=r"outside 0\.\.1"):
        MODALITY.pack(albedo * 2, valid)


def test_statistics_are_of_the_mean_of_the_channels() -> None:
    counts = MODALITY.histogram(np.array([[0.0, 0.1, 0.2], [1.0, 1.0, 1.0]]))
    assert counts.tolist() == [0, 1, 0, 0, 0, 0, 0, 0, 0, 1] and len(MODALITY.bins) == 10


# -- loss --------------------------------------------------------------------------------------------------------------


def test_every_loss_compares_reflectance() -> None:
    raw = torch.randn(2, 3, 4, 5)
    target = Target(torch.rand(2, 3, 4, 5), torch.ones(2, 4, 5, dtype=torch.bool))
    task = Albedo(loss=L1())
    torch.testing.assert_close(
        task.loss.mean(task.compute_loss(raw, target)), (raw.sigmoid() - target.value).abs().mean()
    )
    task = Albedo()
    dark = Target(task.decode(raw) / 7, target.valid)
    assert task.loss.mean(task.compute_loss(raw, dark)) < 1e-12


# -- metrics -----------------------------------------------------------------------------------------------------------


def example(size: tuple[int, int]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return an example whose middle image has no valid pixel."""
    generator = torch.Generator().manual_seed(1)
    prediction, value = torch.rand(2, 3, 3, *size, generator=generator)
    valid = torch.rand(3, *size, generator=generator) < 0.8
    valid[1] = False
    return prediction, value, valid


def scaled_error(y: np.ndarray, true: np.ndarray) -> float:
    """Return min over α of Σ (true - α·y)², by a least-squares solver."""
    residual = true - np.linalg.lstsq(y.reshape(-1, 1), true.ravel(), rcond=None)[0] * y
    return float((residual**2).sum())


def by_hand(size: tuple[int, int]) -> tuple[float, float]:
    """Return si-MSE and LMSE of each image as defined by Grosse et al."""
    si_mse, lmse = [], []
    k = min(20, *size)
    for y, true, valid in zip(
        *(x.double().numpy() if x.is_floating_point() else x.numpy() for x in example(size)), strict=True
    ):
        if valid.any():
            si_mse.append(scaled_error(y[:, valid], true[:, valid]) / (3 * valid.sum()))
            total = energy = 0.0
            for i in range(0, size[0] - k + 1, k // 2):
                for j in range(0, size[1] - k + 1, k // 2):
                    window = (slice(None), slice(i, i + k), slice(j, j + k))
                    mask = valid[window[1:]]
                    total += scaled_error(y[window] * mask, true[window] * mask)
                    energy += ((true[window] * mask) ** 2).sum()
            lmse.append(total / energy)
    return float(np.mean(si_mse)), float(np.mean(lmse))


@pytest.mark.parametrize("size", [(45, 64), (20, 20), (9, 30)])
def test_errors_by_hand(size: tuple[int, int]) -> None:
    prediction, value, valid = example(size)
    metrics = AlbedoMetrics()
    for part in (slice(1), slice(1, 3)):
        metrics.update(prediction[part], value[part], valid[part])
    si_mse, lmse = by_hand(size)
    assert metrics.compute() == pytest.approx({"si_mse": si_mse, "lmse": lmse}, rel=1e-9)


def test_brightness_of_an_image_is_forgiven_and_what_is_invalid_counts_for_nothing() -> None:
    prediction, value, valid = example((45, 64))
    plain, other = AlbedoMetrics(), AlbedoMetrics()
    plain.update(prediction, value, valid)
    factors = torch.tensor([0.2, 1.0, 5.0]).view(3, 1, 1, 1)
    other.update((factors * prediction).masked_fill(~valid[:, None], math.nan), value, valid)
    assert other.compute() == pytest.approx(plain.compute(), rel=1e-6)


def test_an_image_without_a_label_in_any_window_has_no_lmse() -> None:
    prediction, value, valid = example((45, 64))
    valid[1:, :40] = False  # the windows end before row 40
    valid[1:, 40:] = True
    alone, all_images = AlbedoMetrics(), AlbedoMetrics()
    alone.update(prediction[:1], value[:1], valid[:1])
    all_images.update(prediction, value, valid)
    assert all_images.compute()["lmse"] == pytest.approx(alone.compute()["lmse"], rel=1e-12)
    assert all_images.compute()["si_mse"] != pytest.approx(alone.compute()["si_mse"], rel=1e-3)


def test_metrics_of_nothing_or_of_a_diverged_network() -> None:
    prediction, value, valid = example((9, 30))
    metrics = AlbedoMetrics()
    metrics.update(prediction, value, torch.zeros_like(valid))
    assert metrics.compute() == {}
    metrics.update(torch.zeros_like(prediction), value, valid)
    assert metrics.compute()["lmse"] == 1.0  # all predictions are zero
    metrics.update(prediction * math.nan, value, valid)
    with pytest.raises(ValueError, match="diverged"):
        metrics.compute()


# -- view --------------------------------------------------------------------------------------------------------------


def test_view() -> None:
    rng = np.random.default_rng(0)
    label, valid = rng.uniform(0.1, 0.9, (2, 4, 5, 3)).astype(np.float32), np.ones((2, 4, 5), bool)
    prediction = label * np.array([0.5, 1.3], np.float32)[:, None, None, None]
    np.testing.assert_allclose(VIEW.align(prediction, label, valid), label, rtol=1e-5)
    np.testing.assert_array_equal(VIEW.align(prediction, label, ~valid), prediction)
    assert VIEW.scores(label, prediction, valid) == ["si-MSE 0.0000"] * 2
    assert VIEW.scores(label, prediction, ~valid) == ["", ""]
    np.testing.assert_array_equal(VIEW.colorize(label), encode_8bit(label))
    np.testing.assert_allclose(decode_8bit(np.asarray(VIEW.encode(label[0]))), label[0], atol=0.005)
    assert "sRGB" in VIEW.metadata()["reflectance"]
