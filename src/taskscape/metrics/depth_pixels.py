"""Predicted and true depth, and the quantities that depth metrics derive from them."""

import math
from functools import cached_property

import torch
from torch import Tensor


class Pixels:
    """Predicted depth y and true depth y* of a batch, and quantities derived from them: (B, H, W) float64.

    Invalid pixels get a perfect prediction, 1 m, and weight 0, which is faster than selecting the valid pixels.
    """

    def __init__(self, y: Tensor, true: Tensor, valid: Tensor, inverse_unit: float = 1.0) -> None:
        self.y, self.true = (x.double().masked_fill(~valid, 1.0) for x in (y, true))
        self.valid, self.count = valid, valid.double()
        self.inverse_unit = inverse_unit

    @cached_property
    def absolute(self) -> Tensor:
        """|y - y*|."""
        return (self.y - self.true).abs()

    @cached_property
    def relative(self) -> Tensor:
        """|y - y*| / y*."""
        return self.absolute / self.true

    @cached_property
    def logs(self) -> tuple[Tensor, Tensor]:
        """log y and log y*."""
        return self.y.log(), self.true.log()

    @cached_property
    def log_ratio(self) -> Tensor:
        """d = log y - log y*."""
        log_y, log_true = self.logs
        return log_y - log_true

    @cached_property
    def ratio(self) -> Tensor:
        """max(y/y*, y*/y)."""
        return torch.maximum(self.y / self.true, self.true / self.y)

    @cached_property
    def per_image(self) -> Tensor:
        """The number of valid pixels of each image, (B,)."""
        return self.count.sum((1, 2))

    @cached_property
    def median_scaled(self) -> "Pixels":
        """The same with each image's y multiplied by median(y*) / median(y), the lower median for even counts."""
        depths = (self.y, self.true)
        predicted, true = (x.masked_fill(~self.valid, math.nan).flatten(1).nanmedian(1).values for x in depths)
        # An image without valid pixels has no median; its weight is 0, whatever its scale.
        return Pixels(self.y * (true / predicted).nan_to_num(1.0)[:, None, None], self.true, self.valid)

    def mean(self, x: Tensor) -> Tensor:
        """Return the mean of x (B, H, W) over each image's valid pixels, (B,); 0 for an image without valid pixels."""
        return self.counted(x).sum((1, 2)).double() / self.per_image.clamp(min=1)

    def counted(self, x: Tensor) -> Tensor:
        """Return x (B, H, W) with 0 or False at invalid pixels. Summing booleans takes a tenth of the time."""
        return x & self.valid if x.dtype == torch.bool else x * self.count
