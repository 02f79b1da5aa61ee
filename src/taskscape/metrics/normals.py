"""Angles between predicted and true surface normals."""

import math

import torch
from torch import Tensor
from typing_extensions import override

from taskscape.metrics.base import TaskMetric, check_shapes
from taskscape.metrics.spec import MetricSpec, per_batch

_PER_DEGREE = 100
_WITHIN = {f"within_{degrees:g}": degrees for degrees in (11.25, 22.5, 30)}

SPECS = {
    "mean": MetricSpec(
        "Mean angle",
        "°",
        "Mean angle between predicted and true normal.",
        leads=True,
        in_delta_m=True,
    ),
    "median": MetricSpec("Median angle", "°", "Half of the pixels have a smaller angle.", in_delta_m=True),
    **{
        name: MetricSpec(
            f"Within {degrees:g}°",
            "%",
            f"Share of pixels with an angle below {degrees:g}°.",
            higher_is_better=True,
            in_delta_m=True,
        )
        for name, degrees in _WITHIN.items()
    },
}


class NormalsMetrics(TaskMetric):
    """Angle between predicted and true normals over the valid pixels of the split (Fouhey et al., ICCV 2013,
    https://doi.org/10.1109/ICCV.2013.421).

    ``mean`` and ``median`` in degrees, 0 … 180; ``within_11.25``, ``within_22.5``, ``within_30``: percent of pixels
    with a smaller angle.

    The angle is the arc cosine of the normalized dot product in float64, accurate to 2e-6 degrees even at 0 and 180.
    Vectors need not have unit length; a predicted zero vector counts as 90 degrees off. The median is computed from a
    histogram with bins of 0.01 degrees and is accurate to 0.005 degrees.

    With ``per_batch``, there are also the means over batches of each batch's metrics, ``mean_per_batch`` and so on, as
    MTAN's code reports them. A batch is the input of one ``update``, so they depend on the batch size and, in
    distributed evaluation, on the number of processes.

    A batch of 8 x 128 x 256 pixels costs 4 ms on a CPU; on a GPU, the histogram is a synchronization point.

    >>> metric = NormalsMetrics()
    >>> up, forward = torch.zeros(2, 1, 3, 4, 4)
    >>> up[:, 1], forward[:, 2] = -1.0, 1.0
    >>> metric.update(up, forward)
    >>> round(metric.compute()["mean"], 3)
    90.0
    """

    degrees: Tensor
    """Sum of the angles, float64."""
    histogram: Tensor
    """Pixels by angle, (18000,) int64."""

    batch_sums: Tensor
    """The sum over batches of each batch's metrics, (5,) float64; empty without ``per_batch``."""
    batches: Tensor
    """Number of batches with a valid pixel, int64."""

    def __init__(self, *, per_batch: bool = False) -> None:
        super().__init__()
        self.per_batch = tuple(SPECS) if per_batch else ()
        self.add_state("batch_sums", torch.zeros(len(self.per_batch), dtype=torch.float64))
        self.add_state("batches", torch.zeros((), dtype=torch.int64))
        self.add_state("degrees", torch.zeros((), dtype=torch.float64))
        self.add_state("histogram", torch.zeros(180 * _PER_DEGREE, dtype=torch.int64))

    @property
    @override
    def specs(self) -> dict[str, MetricSpec]:
        return SPECS | {f"{name}_per_batch": per_batch(SPECS[name]) for name in self.per_batch}

    @override
    def update(self, prediction: Tensor, value: Tensor, valid: Tensor | None = None) -> None:
        """Update with (B, 3, H, W) vectors. Raises ``ValueError`` for other shapes."""
        valid = check_shapes(prediction, value, valid, 3)
        a, b = prediction.double(), value.double()
        true_squares = _dot(b, b)
        lengths = (_dot(a, a) * true_squares).sqrt().clamp(min=1e-30)
        lengths = lengths.masked_fill(true_squares == 0, math.nan)  # no angle to a label of length 0
        degrees = (_dot(a, b) / lengths).clamp(-1, 1).acos().rad2deg().masked_fill(~valid, 0.0)
        total = degrees.sum()
        self.degrees += total
        num_bins = len(self.histogram)
        pixel_bins = (degrees * _PER_DEGREE).long().clamp(0, num_bins - 1).masked_fill(~valid, num_bins)
        histogram = pixel_bins.flatten().bincount(minlength=num_bins + 1)[:-1]
        self.histogram += histogram
        if self.per_batch and valid.any():
            batch_metrics = _summary(total, histogram)
            self.batch_sums += self.batch_sums.new_tensor([batch_metrics[name] for name in self.per_batch])
            self.batches += 1

    @override
    def compute(self) -> dict[str, float]:
        if not self.histogram.any():
            return {}
        if not self.degrees.isfinite():
            raise ValueError(
                "a normal is NaN or infinite, or a label has length 0: the network has diverged (a smaller learning "
                "rate helps), or pixels without a normal are marked as valid; mask them, valid=normals.any(1)"
            )
        means = (self.batch_sums / self.batches).tolist()
        per_batch = {f"{name}_per_batch": mean for name, mean in zip(self.per_batch, means, strict=True)}
        return _summary(self.degrees, self.histogram) | per_batch


def _summary(degrees: Tensor, histogram: Tensor) -> dict[str, float]:
    """Return the metrics from the sum of the angles and their non-empty histogram."""
    cumulative = histogram.cumsum(0)
    pixels = int(cumulative[-1])
    middle = cumulative.new_tensor([(pixels - 1) // 2, pixels // 2])  # the same pixel twice if their number is odd
    median = (torch.searchsorted(cumulative, middle, right=True).double().mean() + 0.5) / _PER_DEGREE
    within = {
        name: 100 * cumulative[round(degrees * _PER_DEGREE) - 1].item() / pixels for name, degrees in _WITHIN.items()
    }
    return {"mean": degrees.item() / pixels, "median": median.item(), **within}


def _dot(a: Tensor, b: Tensor) -> Tensor:
    x, y, z = (a * b).unbind(1)
    return x + y + z
