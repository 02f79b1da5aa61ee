"""Lighting changes: mid-tone exposure, color, shadows and uneven brightness."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from taskscape.data.augment.draws import Draws, Floats, per_image, signed
from taskscape.serialization.ranges import Fraction, NonNegative, RangedSettings


@dataclass(frozen=True)
class Light(RangedSettings):
    """Random changes of the lighting."""

    gamma: NonNegative = 0.0
    """Colors are raised to a power of e^-this … e^this: mid-tones become brighter or darker, black and white stay."""
    white_balance: NonNegative = 0.0
    """Red and blue are each multiplied by a factor of e^-this … e^this."""
    gradient: NonNegative = 0.0
    """Brightness increases along a random direction, by a factor of up to e^this at the corners."""
    shadow: Fraction = 0.0
    """Maximum fraction of light blocked by a straight shadow of random position, width and softness."""

    def __call__(self, image: Tensor, draws: Draws) -> Tensor:
        """Return the (B, 3, H, W) images in 0..1 changed by ``draws``."""
        if not (self.gamma or self.white_balance or self.gradient or self.shadow):
            return image
        if self.gamma:
            image = image ** per_image(np.exp(self.gamma * signed(draws.gamma)), image)
        gain = torch.ones((), dtype=image.dtype, device=image.device)
        if self.white_balance:
            exponents = np.stack([signed(draws.red), np.zeros(len(image)), signed(draws.blue)], 1)
            gain = gain * per_image(np.exp(self.white_balance * exponents), image)
        if self.gradient:
            strength = per_image(self.gradient * draws.gradient, image)
            gain = gain * (strength * _position_along(draws.gradient_angle, image)).exp()
        if self.shadow:
            # A band that often extends beyond the image on one side.
            from_middle = (
                _position_along(draws.shadow_angle, image) - per_image(signed(draws.shadow_place), image)
            ).abs()
            inside = per_image(0.1 + 0.9 * draws.shadow_width, image) - from_middle
            softness = per_image(0.005 + 0.1 * draws.shadow_softness**2, image)
            gain = gain * (1 - per_image(self.shadow * draws.shadow, image) * (inside / softness).sigmoid())
        return (image * gain).clamp(0, 1)


def _position_along(angle: Floats, image: Tensor) -> Tensor:
    """Return the position of every pixel along a direction, -1 … 1 from corner to corner, (B, 1, H, W)."""
    height, width = image.shape[2:]
    y = torch.linspace(-1, 1, height, dtype=image.dtype, device=image.device).view(-1, 1) * height
    x = torch.linspace(-1, 1, width, dtype=image.dtype, device=image.device) * width
    turn = 2 * np.pi * angle
    return (per_image(np.cos(turn), image) * x + per_image(np.sin(turn), image) * y) / float(np.hypot(height, width))
