"""Sensor and camera effects: noise, sharpening, compression."""

import math
from dataclasses import dataclass
from typing import Annotated

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from taskscape.data.augment.draws import Draws, Floats, gaussian, per_image
from taskscape.data.augment.lens import gaussian_blur
from taskscape.devices import on_device
from taskscape.modalities.linear import apply_matrix
from taskscape.serialization.ranges import Fraction, NonNegative, Range, RangedSettings

_SHARPENED = 1.0
"""Standard deviation of the blur of the unsharp mask, in pixels."""


@dataclass(frozen=True)
class Sensor(RangedSettings):
    """Random properties of sensor and camera."""

    shot_noise: Fraction = 0.0
    """Maximum standard deviation of the photon noise at white; it grows with the square root of the brightness."""
    read_noise: Fraction = 0.0
    """Maximum standard deviation of the electronic noise, the same at every brightness."""
    sharpening: NonNegative = 0.0
    """Maximum strength of an unsharp mask: the factor at which the difference from a blurred image is added."""
    jpeg: Annotated[float, Range(least=1, most=100)] = 100.0
    """Lowest JPEG quality, 1 … 100; at 100 images are not compressed."""

    def __call__(self, image: Tensor, draws: Draws) -> Tensor:
        """Return the (B, 3, H, W) images in 0..1 changed by ``draws``."""
        if self.shot_noise or self.read_noise:
            variance = self.shot_noise**2 * image + self.read_noise**2
            noise = gaussian(draws.noise_field, image.shape[1:], image.device)
            image = image + per_image(draws.noise, image) * variance.sqrt() * noise
        if self.sharpening:
            std = image.new_full((len(image), 1, 1, 1), _SHARPENED)
            strength = per_image(self.sharpening * draws.sharpening, image)
            image = image + strength * (image - gaussian_blur(image, std, _SHARPENED))
        if self.shot_noise or self.read_noise or self.sharpening:
            image = image.clamp(0, 1)
        if self.jpeg < 100:
            image = compressed(image, self.jpeg + (100 - self.jpeg) * draws.jpeg)
        return image


# -- JPEG: Wallace, 1992, https://doi.org/10.1109/30.125072; tables of ITU-T T.81, annex K, scaled as in libjpeg

_TO_YCBCR = np.array([[0.299, 0.587, 0.114], [-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]])
_LUMA = np.array([
    [16, 11, 10, 16, 24, 40, 51, 61], [12, 12, 14, 19, 26, 58, 60, 55], [14, 13, 16, 24, 40, 57, 69, 56],
    [14, 17, 22, 29, 51, 87, 80, 62], [18, 22, 37, 56, 68, 109, 103, 77], [24, 35, 55, 64, 81, 104, 113, 92],
    [49, 64, 78, 87, 103, 121, 120, 101], [72, 92, 95, 98, 112, 100, 103, 99],
])  # fmt: skip
_CHROMA = np.full((8, 8), 99)
_CHROMA[:4, :4] = [[17, 18, 24, 47], [18, 21, 26, 66], [24, 26, 56, 99], [47, 66, 99, 99]]
_DCT = np.array([
    [math.sqrt((1 if u == 0 else 2) / 8) * math.cos((2 * x + 1) * u * math.pi / 16) for x in range(8)] for u in range(8)
])  # fmt: skip


def compressed(image: Tensor, quality: Floats) -> Tensor:
    """Return (B, 3, H, W) images in 0..1 after JPEG compression with chroma at half the resolution.

    ``quality``, (B,), is that of libjpeg, 1 … 100. This runs on the device and for whole batches; the codecs of
    torchvision take a single quality, on the CPU.
    """
    height, width = image.shape[2:]
    padded = F.pad(image, (0, -width % 16, 0, -height % 16), mode="replicate")
    scale = np.where(quality < 50, 5000 / quality, 200 - 2 * quality)[:, None, None] / 100
    to_ycbcr, to_rgb = (
        on_device(matrix, image.device).to(image.dtype).expand(len(image), 3, 3)
        for matrix in (_TO_YCBCR, np.linalg.inv(_TO_YCBCR))
    )
    ycbcr = apply_matrix(to_ycbcr, padded * 255)
    luma = _quantized(ycbcr[:, :1] - 128, np.clip(np.floor(_LUMA * scale + 0.5), 1, 255)) + 128
    chroma = _quantized(F.avg_pool2d(ycbcr[:, 1:], 2), np.clip(np.floor(_CHROMA * scale + 0.5), 1, 255))
    chroma = F.interpolate(chroma, scale_factor=2, mode="bilinear")
    rgb = apply_matrix(to_rgb, torch.cat([luma, chroma], 1)) / 255
    return rgb[..., :height, :width].clamp(0, 1)


def _quantized(plane: Tensor, table: Floats) -> Tensor:
    """Return planes, (B, C, H, W), after quantizing the DCT of every 8×8 block with the steps ``table``, (B, 8, 8)."""
    dct = on_device(_DCT, plane.device).to(plane.dtype)
    steps = on_device(table, plane.device).to(plane.dtype)[:, None, None, None]
    blocks = plane.unfold(2, 8, 8).unfold(3, 8, 8)
    waves = (dct @ blocks @ dct.T / steps).round_() * steps
    blocks = dct.T @ waves @ dct
    return blocks.transpose(3, 4).reshape(plane.shape)
