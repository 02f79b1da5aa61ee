"""Errors of albedo that forgive a wrong brightness."""

import torch
import torch.nn.functional as F
from torch import Tensor
from typing_extensions import override

from taskscape.metrics.base import TaskMetric, check_shapes
from taskscape.metrics.spec import MetricSpec

_WINDOW = 20

SPECS = {
    "si_mse": MetricSpec(
        "si-MSE",
        text="Mean squared error of reflectance after the best scaling of each image.",
        digits=4,
        leads=True,
        in_delta_m=True,
    ),
    "lmse": MetricSpec(
        "LMSE",
        text="Squared error after the best scaling of each window of 20 × 20 pixels, as a share of the true energy.",
        digits=4,
        in_delta_m=True,
    ),
}


class AlbedoMetrics(TaskMetric):
    """Squared errors of linear reflectance, each the mean over the images with valid pixels.

    ``si_mse``: min over α of the mean of (y* - α·y)² over an image's valid pixels and channels. ``lmse``: the sum over
    windows of min over α of Σ (y* - α·y)², by the sum over windows of Σ y*². Windows are 20 × 20 pixels, smaller where
    the image is, and half a window apart; the rest at the right and lower edge that fills no window counts nothing.
    Grosse et al., ICCV 2009, section 4 (https://doi.org/10.1109/ICCV.2009.5459428), there averaged with the same error
    of the shading. One factor α serves all channels.

    A batch of 8 x 128 x 256 pixels costs 20 ms on one CPU core.

    >>> metric = AlbedoMetrics()
    >>> reflectance = torch.rand(1, 3, 8, 8)
    >>> metric.update(0.5 * reflectance, reflectance)  # half as bright: no error
    >>> round(metric.compute()["si_mse"], 6)
    0.0
    """

    sums: Tensor
    """(2,) float64, Σ over images of both errors."""
    images: Tensor
    """(2,) int64, the images that each was computed of."""

    def __init__(self) -> None:
        super().__init__()
        self.add_state("sums", torch.zeros(2, dtype=torch.float64))
        self.add_state("images", torch.zeros(2, dtype=torch.int64))

    @property
    @override
    def specs(self) -> dict[str, MetricSpec]:
        return SPECS

    @override
    def update(self, prediction: Tensor, value: Tensor, valid: Tensor | None = None) -> None:
        """Update with (B, 3, H, W) linear reflectance. Raises ``ValueError`` for other shapes."""
        valid = check_shapes(prediction, value, valid, 3)
        y, true = (x.double().masked_fill(~valid.unsqueeze(1), 0.0) for x in (prediction, value))
        # Per pixel the channels' Σ y*², Σ y*·y and Σ y²: all that a best scaling leaves of an error.
        products = torch.stack([(true * true).sum(1), (true * y).sum(1), (y * y).sum(1)], 1)
        pixels = valid.sum((1, 2))
        si_mse = _after_scaling(products.sum((2, 3))) / (pixels * value.shape[1]).clamp(min=1)
        window = min(_WINDOW, *valid.shape[-2:])
        windows = F.avg_pool2d(products, window, stride=max(window // 2, 1)) * window**2
        energy = windows[:, 0].sum((1, 2))
        lmse = _after_scaling(windows).sum((1, 2)) / energy.clamp(min=1e-12)
        self.sums += torch.stack([si_mse.sum(), lmse.sum()])
        self.images += torch.stack([(pixels > 0).sum(), (energy > 0).sum()])

    @override
    def compute(self) -> dict[str, float]:
        if not self.sums.isfinite().all():
            raise ValueError(
                "a predicted or true albedo is NaN or infinite: the network has diverged (a smaller learning rate "
                "helps), or the data set marks pixels without an albedo as valid"
            )
        pairs = zip(SPECS, self.sums.tolist(), self.images.tolist(), strict=True)
        return {name: total / images for name, total, images in pairs if images}


def _after_scaling(products: Tensor) -> Tensor:
    """Return min over α of Σ (y* - α·y)² from (B, 3, …) sums of y*², y*·y and y²."""
    true, both, predicted = products.unbind(1)
    # A prediction of nothing cannot be scaled; rounding alone leaves less than 0.
    return (true - both.square() / predicted.clamp(min=1e-12)).clamp(min=0)
