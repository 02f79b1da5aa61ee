"""Lens effects: distortion, vignetting and defocus blur."""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from taskscape.data.augment.draws import Draws, per_image, signed
from taskscape.devices import constant
from taskscape.serialization.ranges import BelowOne, Fraction, NonNegative, RangedSettings


@dataclass(frozen=True)
class Lens(RangedSettings):
    """Random properties of the lens."""

    distortion: BelowOne = 0.0
    """Maximum relative change of the distance from the center at a corner, in either direction: r' = r·(1 + k·r²).
    Labels are distorted too, but keep their values: depth and normals of a point do not depend on the lens."""
    vignetting: Fraction = 0.0
    """Maximum fraction of light lost at a corner; halfway to the corner, a quarter of it is lost."""
    blur: NonNegative = 0.0
    """Maximum standard deviation of a Gaussian blur, in pixels."""

    def bend(self, pixels: Tensor, draws: Draws) -> Tensor:
        """Return the undistorted positions of the pixels of a distorted image, (B, 2, H, W).

        ``pixels`` are column and row, (1, 2, H, W), with (0, 0) for the center of the first pixel.
        """
        height, width = pixels.shape[2:]
        center = constant(((width - 1) / 2, (height - 1) / 2), pixels).view(1, 2, 1, 1)
        from_center = pixels - center
        radius = from_center.square().sum(1, keepdim=True) / (math.hypot(height, width) / 2) ** 2
        factor = 1 + per_image(self.distortion * signed(draws.distortion), pixels) * radius
        return from_center * factor + center

    def __call__(self, image: Tensor, draws: Draws) -> Tensor:
        """Return the (B, 3, H, W) images in 0..1 darkened and blurred by ``draws``."""
        if self.vignetting:
            height, width = image.shape[2:]
            y = torch.linspace(-1, 1, height, dtype=image.dtype, device=image.device).view(-1, 1) * height
            x = torch.linspace(-1, 1, width, dtype=image.dtype, device=image.device) * width
            radius = (x.square() + y.square()) / (height**2 + width**2)
            image = image * (1 - per_image(self.vignetting * draws.vignetting, image) * radius)
        if self.blur:
            image = gaussian_blur(image, per_image(self.blur * draws.blur, image), self.blur)
        return image


def gaussian_blur(image: Tensor, std: Tensor, max_std: float) -> Tensor:
    """Return images blurred by one Gaussian each, with ``std``, (B, 1, 1, 1), in pixels and at most ``max_std``.

    Borders are replicated. torchvision's function takes only one width for a whole batch.
    """
    batch, channels, height, width = image.shape
    reach = max(1, math.ceil(2.5 * max_std))
    reach = min(reach, height, width)
    offsets = torch.arange(-reach, reach + 1, dtype=image.dtype, device=image.device)
    # The integral of the Gaussian over each pixel, which is accurate for narrow ones too.
    edges = (torch.cat([offsets - 0.5, offsets[-1:] + 0.5]) / (std.view(-1, 1).clamp_min(1e-3) * math.sqrt(2))).erf()
    kernel = edges.diff(dim=1)
    kernel = (kernel / kernel.sum(1, keepdim=True)).repeat_interleave(channels, 0)[:, None, None]
    flat = F.pad(image, (reach,) * 4, mode="replicate").reshape(1, batch * channels, height + 2 * reach, -1)
    for weight in (kernel, kernel.transpose(2, 3)):
        flat = F.conv2d(flat, weight, groups=batch * channels)
    return flat.view(image.shape)
