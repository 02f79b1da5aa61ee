"""Structural similarity."""

from dataclasses import dataclass
from typing import ClassVar

import torch.nn.functional as F
from torch import Tensor
from typing_extensions import override

from taskscape.batch import Target
from taskscape.losses.base import Loss, LossTerm, at_least_float32


@dataclass(frozen=True)
class SSIM(Loss):
    """Structural dissimilarity: (1 - SSIM) / 2 of 3×3 windows, for maps with a range of values of about one.

    The mean over all windows that contain only valid pixels, or 0 if there are none. Wang et al., TIP 2004
    (https://doi.org/10.1109/TIP.2003.819861).
    """

    name: ClassVar[str] = "ssim"

    @override
    def term(self, prediction: Tensor, target: Target) -> LossTerm:
        """Return the sum over fully valid windows and their number, for (B, C, H, W) maps of at least 3×3 pixels."""
        invalid = ~target.valid.unsqueeze(1)
        x = at_least_float32(prediction).masked_fill(invalid, 0.0)
        y = target.value.to(x.dtype).masked_fill(invalid, 0.0)
        mean_x, mean_y = F.avg_pool2d(x, 3, 1), F.avg_pool2d(y, 3, 1)
        variance_x = F.avg_pool2d(x * x, 3, 1) - mean_x**2
        variance_y = F.avg_pool2d(y * y, 3, 1) - mean_y**2
        covariance = F.avg_pool2d(x * y, 3, 1) - mean_x * mean_y
        luminance = (2 * mean_x * mean_y + 0.01**2) / (mean_x**2 + mean_y**2 + 0.01**2)
        structure = (2 * covariance + 0.03**2) / (variance_x + variance_y + 0.03**2)
        errors = ((1 - luminance * structure) / 2).clamp(0, 1).mean(1)
        is_valid_window = F.max_pool2d(invalid.to(x.dtype), 3, 1).squeeze(1) == 0
        return LossTerm(errors.masked_fill(~is_valid_window, 0.0).sum(), is_valid_window.sum())
