"""Texture changes, as of stained, weathered and patterned surfaces that a renderer does not produce."""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from taskscape.data.augment.draws import Draws, gaussian, per_image
from taskscape.devices import on_device
from taskscape.serialization.ranges import Fraction, RangedSettings

_CELLS = (4, 16, 64)
"""Cells of the noise fields along the longer side of an image, from blotches to grain."""
_COLORED = 0.3
"""Standard deviation of each color's own part of the noise, relative to that of the part that all colors share."""


@dataclass(frozen=True)
class Texture(RangedSettings):
    """Random changes of texture that keep outlines in place: for networks trained on generated images."""

    noise: Fraction = 0.0
    """Maximum strength of multiplicative smooth noise at three scales: the standard deviation of the factor."""
    mixing: Fraction = 0.0
    """Maximum weight at which the image is blended with a random 3×3 convolution of its colors, which keeps the mean
    and contrast of the image (RandConv; Xu et al., ICLR 2021, https://arxiv.org/abs/2007.13003)."""

    def __call__(self, image: Tensor, draws: Draws) -> Tensor:
        """Return the (B, 3, H, W) images in 0..1 changed by ``draws``."""
        if self.mixing:
            image = torch.lerp(image, _convolved(image, draws), per_image(self.mixing * draws.texture_mixing, image))
        if self.noise:
            image = image * (1 + per_image(self.noise * draws.texture_noise, image) * _smooth_noise(image, draws))
        return image.clamp(0, 1) if self.mixing or self.noise else image


def _convolved(image: Tensor, draws: Draws) -> Tensor:
    """Return each image after its own random convolution, with the mean and contrast of the image."""
    batch, channels = image.shape[:2]
    kernels = on_device(gaussian(draws.texture_fields, (channels, channels, 3, 3), torch.device("cpu")), image.device)
    padded = F.pad(image, (1, 1, 1, 1), mode="replicate").reshape(1, -1, image.shape[2] + 2, image.shape[3] + 2)
    mixed = F.conv2d(padded, kernels.flatten(0, 1), groups=batch).view_as(image)
    std, mean = torch.std_mean(mixed, (2, 3), keepdim=True, correction=0)
    old_std, old_mean = torch.std_mean(image, (2, 3), keepdim=True, correction=0)
    return (mixed - mean) * (old_std / std.clamp_min(1e-5)) + old_mean


def _smooth_noise(image: Tensor, draws: Draws) -> Tensor:
    """Return smooth noise of the images' size, of unit variance at its nodes and mostly the same in all colors."""
    height, width = image.shape[2:]
    total = torch.zeros_like(image)
    for index, cells in enumerate(_CELLS):
        grid = [max(2, round(cells * length / max(height, width))) for length in (height, width)]
        # Each scale uses a different seed derived from the same number.
        numbers = (draws.texture_fields + index / len(_CELLS)) % 1
        nodes = on_device(gaussian(numbers, (1 + image.shape[1], *grid), torch.device("cpu")), image.device)
        nodes = nodes[:, :1] + _COLORED * nodes[:, 1:]
        total += F.interpolate(nodes, (height, width), mode="bilinear", align_corners=True)
    return total / math.sqrt(len(_CELLS) * (1 + _COLORED**2))
