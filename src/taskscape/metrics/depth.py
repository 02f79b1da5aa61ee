"""Errors of depth in metres."""

import math
from typing import Any

import torch
from torch import Tensor

from taskscape.metrics.base import TaskMetric

_PER_OCTAVE = 8
_NEAREST, _FARTHEST = 0.25, 512.0
_BINS = _PER_OCTAVE * int(math.log2(_FARTHEST / _NEAREST))
_EDGES = [_NEAREST * 2 ** (i / _PER_OCTAVE) for i in range(_BINS + 1)]


class DepthMetrics(TaskMetric):
    """Errors of a predicted depth y against the true depth y*, both in metres and above 0.

    Means over the valid pixels of the split (Eigen et al., NeurIPS 2014, section 4.2):

    - ``abs`` |y - y*| in metres, ``rel`` |y - y*| / y* (a fraction),
    - ``rmse`` in metres and ``rmse_log``: root mean squares of y - y* and of d = log y - log y*,
    - ``delta1``, ``delta2``, ``delta3``: percent of pixels with max(y/y*, y*/y) < 1.25, 1.25², 1.25³,
    - ``inverse_abs`` |q - q*| and ``inverse_rel`` |q - q*| / q* (a fraction) of inverse depth q = ``inverse_unit`` / y,
      which MTAN and its successors report for Cityscapes as absolute and relative error (Liu et al., CVPR 2019).

    Means over the images with a valid pixel:

    - ``si_log_rmse``, 100·sqrt(mean(d²) - mean(d)²) of the image's d,
    - ``scaled_rel``, ``scaled_delta1``, ``scaled_delta2``, ``scaled_delta3``: an image's means once its prediction has
      been multiplied by median(y*) / median(y) over its valid pixels, for data or networks whose scale is unknown
      (Zhou et al., CVPR 2017).

    ``inverse_unit`` is the depth in metres at which the inverse depth of the data is 1: 1 for 1/metres, 1.8499 for the
    normalised disparity that MTAN's Cityscapes holds. Without ``scale_known`` the depths are proportional to metres
    within an image only: the metrics are ``si_log_rmse`` and the ``scaled_`` ones, and there are no figures.

    A batch of 8 x 128 x 256 pixels costs 13 ms on a CPU, half of it for the medians; on a GPU nothing waits for it.
    """

    sums: Tensor
    """(9,) float64 over pixels: |y - y*|, |y - y*| / y*, (y - y*)², d², the counts of the three deltas, |1/y - 1/y*|,
    |1/y - 1/y*| · y*."""
    si: Tensor
    """(2,) float64: sum of the images' ``si_log_rmse``, number of images."""
    scaled: Tensor
    """(4,) float64: sums over the images of their median-scaled relative error and shares within the three deltas."""
    by_distance: Tensor
    """(4, bins) float64: predicted pixels by their predicted depth; then by true depth: pixels, Σ|y - y*|,
    Σ|y - y*| / y*."""

    def __init__(self, inverse_unit: float = 1.0, *, scale_known: bool = True) -> None:
        super().__init__()
        self.inverse_unit, self.scale_known = inverse_unit, scale_known
        for name, shape in (("sums", (9,)), ("si", (2,)), ("scaled", (4,)), ("by_distance", (4, _BINS))):
            self.add_state(name, torch.zeros(shape, dtype=torch.float64), dist_reduce_fx="sum")

    def update(self, prediction: Tensor, value: Tensor, valid: Tensor) -> None:
        """Take in (B, 1, H, W) metres."""
        # Invalid pixels become a perfect 1 m and count 0, which costs less than picking out what is valid.
        y, true = (x.squeeze(1).double().masked_fill(~valid, 1.0) for x in (prediction, value))
        log_y, log_true = y.log(), true.log()
        count = valid.double()
        d = log_y - log_true
        absolute = (y - true).abs()
        relative = absolute / true
        within = [(near * count).sum() for near in _within(y, true)]
        inverse = absolute / (y * true)
        self.sums += torch.stack(
            [
                *(absolute.sum(), relative.sum(), absolute.square().sum(), d.square().sum()),
                *(*within, inverse.sum(), (inverse * true).sum()),
            ]
        )

        pixels_b = count.sum((1, 2))
        # The lower of two medians. An image without a valid pixel has none; it counts nothing, however it is scaled.
        medians = [x.masked_fill(~valid, math.nan).flatten(1).nanmedian(1).values for x in (y, true)]
        scaled = y * (medians[1] / medians[0]).nan_to_num(1.0)[:, None, None]
        errors = [(scaled - true).abs() / true, *_within(scaled, true)]
        self.scaled += torch.stack([((e * count).sum((1, 2)) / pixels_b.clamp(min=1)).sum() for e in errors])

        mean_b = d.sum((1, 2)) / pixels_b.clamp(min=1)
        deviations = (d - mean_b[:, None, None]) * count  # mean(d²) - mean(d)² would cancel
        si_b = 100 * (deviations.square().sum((1, 2)) / pixels_b.clamp(min=1)).sqrt()
        self.si += torch.stack([si_b.sum(), (pixels_b > 0).sum()])

        bins = _bins(log_true)
        self.by_distance += torch.stack(
            [_binned(_bins(log_y), count), _binned(bins, count), _binned(bins, absolute), _binned(bins, relative)]
        )

    def compute(self) -> dict[str, float]:
        """Return the metrics by name, without the task's prefix.

        Raises ``ValueError`` when the prediction of a valid pixel was not finite, or not above 0.
        """
        pixels, (si, images) = self.by_distance[1].sum().item(), self.si.tolist()
        if pixels == 0:
            return {}
        means = (self.sums / pixels).tolist()
        if not all(math.isfinite(x) for x in (*means, si)):
            raise ValueError(
                "a depth prediction or label is NaN, infinite or not above 0 m: the network has diverged (a smaller "
                "learning rate helps), or the data set marks pixels without a depth as valid"
            )
        absolute, relative, square, log_square, *deltas, inverse, inverse_relative = means
        scaled_relative, *scaled_deltas = (self.scaled / images).tolist()
        of_any_scale = {
            "si_log_rmse": si / images,
            "scaled_rel": scaled_relative,
            **{f"scaled_delta{k}": 100 * delta for k, delta in enumerate(scaled_deltas, 1)},
        }
        if not self.scale_known:
            return of_any_scale
        in_metres = {
            "abs": absolute,
            "rel": relative,
            "rmse": math.sqrt(square),
            "rmse_log": math.sqrt(log_square),
            "si_log_rmse": si / images,
            **{f"delta{k}": 100 * delta for k, delta in enumerate(deltas, 1)},
            "inverse_abs": self.inverse_unit * inverse,
            "inverse_rel": inverse_relative,
        }
        return {**in_metres, **of_any_scale}

    def figures(self) -> dict[str, Any]:
        """Return ``histogram`` and ``error_by_distance``.

        Both have ``edges`` in metres, an eighth of an octave apart from 0.25 to 512; what lies outside is counted in
        the end bins. ``histogram``: pixels ``predicted`` and ``true``. ``error_by_distance``, by true depth:
        ``pixels`` and the means ``abs`` in metres and ``rel``; a bin without pixels is joined to the next one that
        has some. Nothing when there are no valid pixels, or no scale.
        """
        if not self.scale_known:
            return {}
        with self.sync_context():
            predicted, true, absolute, relative = self.by_distance.tolist()
        full = [i for i, n in enumerate(true) if n]
        if not full:
            return {}
        return {
            "histogram": {"edges": _EDGES, "predicted": [int(n) for n in predicted], "true": [int(n) for n in true]},
            "error_by_distance": {
                "edges": [_EDGES[full[0]], *(_EDGES[i + 1] for i in full)],
                "abs": [absolute[i] / true[i] for i in full],
                "rel": [relative[i] / true[i] for i in full],
                "pixels": [int(true[i]) for i in full],
            },
        }


def _within(y: Tensor, true: Tensor) -> list[Tensor]:
    """Return which pixels are off by factors below 1.25, 1.25² and 1.25³."""
    ratio = torch.maximum(y / true, true / y)
    return [ratio < 1.25**k for k in (1, 2, 3)]


def _bins(log_metres: Tensor) -> Tensor:
    """Return each pixel's bin; six times as fast as a search among the edges."""
    octaves = (log_metres - math.log(_NEAREST)) / math.log(2)
    return (octaves * _PER_OCTAVE).long().clamp(0, _BINS - 1)


def _binned(bins: Tensor, x: Tensor) -> Tensor:
    """Return the sum of ``x`` in every bin. Unlike a weighted bincount it has a deterministic form on a GPU."""
    return x.new_zeros(_BINS).index_add_(0, bins.flatten(), x.flatten())
