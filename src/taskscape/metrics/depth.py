"""Errors of depth."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from typing_extensions import override

from taskscape.metrics.base import TaskMetric, check_shapes
from taskscape.metrics.depth_pixels import Pixels
from taskscape.metrics.spec import MetricSpec, per_batch

_PER_OCTAVE = 8
_NEAREST, _FARTHEST = 0.25, 512.0
_BINS = _PER_OCTAVE * int(math.log2(_FARTHEST / _NEAREST))
_EDGES = [_NEAREST * 2 ** (i / _PER_OCTAVE) for i in range(_BINS + 1)]


@dataclass(frozen=True)
class DepthMetric:
    """A metric that is a mean over the valid pixels of the split, or over its images."""

    spec: MetricSpec
    formula: Callable[[Pixels], Tensor]
    """Computes the terms to average: (B, H, W) over pixels or, for a scale-free metric, (B,) over images."""
    finish: Callable[[float], float] = float
    """Converts the mean to the metric."""
    scale_free: bool = False
    """Whether it is invariant to the scale of an image's prediction; relative depth has only such metrics."""
    relative_delta_m: bool = False
    """Whether it is part of Δm for relative depth."""
    leads_relative: bool = False
    """Whether it is the leading metric for relative depth. That of metric depth must depend on the scale."""


def _percent(share: float) -> float:
    return 100 * share


def _si_log(p: Pixels) -> Tensor:
    centered = p.log_ratio - p.mean(p.log_ratio)[:, None, None]  # mean(d²) - mean(d)² suffers from cancellation
    return 100 * p.mean(centered.square()).sqrt()


def _share(title: str, text: str, *, optional: bool = False) -> MetricSpec:
    return MetricSpec(title, "%", text, higher_is_better=True, optional=optional)


_MEDIAN_SCALED = "With each image's prediction scaled to the true median first."

METRICS = {
    "abs_err": DepthMetric(
        MetricSpec("Absolute error", "m", "Mean difference between predicted and true depth.", 3, in_delta_m=True),
        lambda p: p.absolute,
    ),
    "abs_rel": DepthMetric(
        MetricSpec(
            "Relative error", "", "Mean difference as a fraction of the true depth.", 4, leads=True, in_delta_m=True
        ),
        lambda p: p.relative,
    ),
    "rmse": DepthMetric(
        MetricSpec("RMSE", "m", "Root mean squared error: errors at large distances weigh most.", 3),
        lambda p: p.absolute.square(),
        math.sqrt,
    ),
    "rmse_log": DepthMetric(
        MetricSpec("RMSE of logarithms", "", "Error in ratios: near and far weigh the same.", 4),
        lambda p: p.log_ratio.square(),
        math.sqrt,
    ),
    "si_log_rmse": DepthMetric(
        MetricSpec("SI-logRMSE × 100", "", "Error in ratios, whatever the scale of an image; mean over images."),
        _si_log,
        scale_free=True,
        relative_delta_m=True,
        leads_relative=True,
    ),
    "delta1": DepthMetric(
        _share("δ < 1.25", "Share of pixels whose depth is within a factor of 1.25 of the true one."),
        lambda p: p.ratio < 1.25,
        _percent,
    ),
    "delta2": DepthMetric(
        _share("δ < 1.25²", "Share of pixels whose depth is within a factor of 1.56 of the true one."),
        lambda p: p.ratio < 1.25**2,
        _percent,
    ),
    "delta3": DepthMetric(
        _share("δ < 1.25³", "Share of pixels whose depth is within a factor of 1.95 of the true one."),
        lambda p: p.ratio < 1.25**3,
        _percent,
    ),
    "inverse_abs_err": DepthMetric(
        MetricSpec(
            "Absolute error of inverse depth",
            "",
            "Mean difference in the unit of the data, as reported by MTAN.",
            4,
            optional=True,
        ),
        lambda p: p.inverse_unit * p.absolute / (p.y * p.true),
    ),
    "inverse_abs_rel": DepthMetric(
        MetricSpec(
            "Relative error of inverse depth",
            "",
            "Mean difference as a fraction of the true one, as reported by MTAN.",
            4,
            optional=True,
        ),
        lambda p: p.absolute / p.y,
    ),
    "median_scaled_abs_rel": DepthMetric(
        MetricSpec("Relative error, median-scaled", "", _MEDIAN_SCALED, 4, optional=True),
        lambda p: p.mean(p.median_scaled.relative),
        scale_free=True,
        relative_delta_m=True,
    ),
    "median_scaled_delta1": DepthMetric(
        _share("δ < 1.25, median-scaled", _MEDIAN_SCALED, optional=True),
        lambda p: p.mean(p.median_scaled.ratio < 1.25),
        _percent,
        scale_free=True,
    ),
    "median_scaled_delta2": DepthMetric(
        _share("δ < 1.25², median-scaled", _MEDIAN_SCALED, optional=True),
        lambda p: p.mean(p.median_scaled.ratio < 1.25**2),
        _percent,
        scale_free=True,
    ),
    "median_scaled_delta3": DepthMetric(
        _share("δ < 1.25³, median-scaled", _MEDIAN_SCALED, optional=True),
        lambda p: p.mean(p.median_scaled.ratio < 1.25**3),
        _percent,
        scale_free=True,
    ),
}
"""The metrics by name, in the order of display. A new metric needs only an entry here."""

_PER_BATCH = ("abs_err", "abs_rel", "inverse_abs_err", "inverse_abs_rel")
"""Metrics that are also available as a mean over batches."""
_INVERSE = ("inverse_abs_err", "inverse_abs_rel")


class DepthMetrics(TaskMetric):
    """Errors of a predicted depth y against the true depth y*, both in meters and above 0.

    Means over the valid pixels of the split (Eigen et al., NeurIPS 2014, section 4.2, https://arxiv.org/abs/1406.2283):

    - ``abs_err`` |y - y*| in meters, ``abs_rel`` |y - y*| / y* (a fraction),
    - ``rmse`` in meters and ``rmse_log``: root mean squares of y - y* and of d = log y - log y*,
    - ``delta1``, ``delta2``, ``delta3``: percent of pixels with max(y/y*, y*/y) < 1.25, 1.25², 1.25³,
    - ``inverse_abs_err`` |q - q*| and ``inverse_abs_rel`` |q - q*| / q* (a fraction) of inverse depth
      q = ``inverse_unit`` / y, which MTAN and its successors report for Cityscapes as absolute and relative error
      (Liu et al., CVPR 2019, https://arxiv.org/abs/1803.10704).

    Means over the images with a valid pixel:

    - ``si_log_rmse``: 100·sqrt(mean(d²) - mean(d)²) over the image's d,
    - ``median_scaled_abs_rel``, ``median_scaled_delta1``, ``median_scaled_delta2``, ``median_scaled_delta3``: an
      image's means after its prediction is multiplied by median(y*) / median(y) over its valid pixels, for data or
      networks with unknown scale (Zhou et al., CVPR 2017, https://arxiv.org/abs/1704.07813).

    ``inverse_unit`` is the depth in meters at which the inverse depth of the data is 1: 1 for 1/meters, 1.8499 for the
    normalized disparity in MTAN's Cityscapes. Pages show the two metrics of inverse depth only if it is set, and the
    ``median_scaled_`` metrics only for relative depth. With ``metric=False``, depth is relative, that is, proportional
    to meters only within an image: the metrics are ``si_log_rmse`` and the ``median_scaled_`` ones, and there are no
    plots.

    With ``inverse_leads``, the task predicts inverse depth: its two metrics replace those in meters in Δm, and
    ``inverse_abs_rel`` is the leading metric.

    With ``per_batch``, there are also ``abs_err_per_batch``, ``abs_rel_per_batch``, ``inverse_abs_err_per_batch`` and
    ``inverse_abs_rel_per_batch``: the mean over each batch's valid pixels, averaged over the batches with a valid
    pixel, as MTAN's code reports them. A batch is the input of one ``update``, so they depend on the batch size and, in
    distributed evaluation, on the number of processes.

    ``plots``: ``histogram`` and ``error_by_distance``. Both have ``edges`` in meters, an eighth of an octave apart from
    0.25 to 512; depths outside are counted in the first and last bin. ``histogram`` has the pixels ``predicted`` and
    ``true``. ``error_by_distance`` has, by true depth, ``pixels`` and the means ``abs_err`` in meters and ``abs_rel``;
    a bin without pixels is merged with the next one that has some. Empty if there are no valid pixels.

    A batch of 8 x 128 x 256 pixels costs 10 ms on a CPU, most of it for the medians; on a GPU, an update does not
    synchronize.

    >>> metric = DepthMetrics()
    >>> metric.update(torch.full((1, 1, 2, 2), 11.0), torch.full((1, 1, 2, 2), 10.0))
    >>> values = metric.compute()
    >>> round(values["abs_rel"], 6), round(values["delta1"], 1), abs(round(values["si_log_rmse"], 3))
    (0.1, 100.0, 0.0)
    """

    sums: Tensor
    """The sum of each metric's formula over pixels or images, in the order of ``names``, (metrics,) float64."""
    counts: Tensor
    """Valid pixels, and images with a valid pixel, (2,) int64."""
    by_distance: Tensor
    """Pixels by predicted depth; then by true depth: pixels, Σ|y - y*|, Σ|y - y*| / y*. (4, bins) float64."""

    batch_sums: Tensor
    """The sum over batches of each batch's mean, (4,) float64; empty without ``per_batch``."""
    batches: Tensor
    """Number of batches with a valid pixel, int64."""

    def __init__(
        self,
        inverse_unit: float | None = None,
        *,
        metric: bool = True,
        inverse_leads: bool = False,
        per_batch: bool = False,
    ) -> None:
        super().__init__()
        self.inverse_unit, self.metric, self.inverse_leads = inverse_unit, metric, inverse_leads
        self.per_batch = _PER_BATCH if per_batch and metric else ()
        self.names = tuple(name for name, m in METRICS.items() if metric or m.scale_free)
        self.add_state("sums", torch.zeros(len(self.names), dtype=torch.float64))
        self.add_state("counts", torch.zeros(2, dtype=torch.int64))
        self.add_state("by_distance", torch.zeros(4, _BINS, dtype=torch.float64))
        self.add_state("batch_sums", torch.zeros(len(self.per_batch), dtype=torch.float64))
        self.add_state("batches", torch.zeros((), dtype=torch.int64))

    @property
    @override
    def specs(self) -> dict[str, MetricSpec]:
        metrics = {name: METRICS[name] for name in self.names}
        if not self.metric:
            return {
                name: replace(
                    metric.spec, leads=metric.leads_relative, in_delta_m=metric.relative_delta_m, optional=False
                )
                for name, metric in metrics.items()
            }
        specs = {name: metric.spec for name, metric in metrics.items()}
        if self.inverse_unit is not None:
            specs |= {name: replace(specs[name], optional=False) for name in _INVERSE}
        if self.inverse_leads:
            specs = {
                name: replace(spec, leads=name == "inverse_abs_rel", in_delta_m=name in _INVERSE)
                for name, spec in specs.items()
            }
        return specs | {f"{name}_per_batch": per_batch(specs[name]) for name in self.per_batch}

    @override
    def update(self, prediction: Tensor, value: Tensor, valid: Tensor | None = None) -> None:
        """Update with (B, 1, H, W) meters. Raises ``ValueError`` for other shapes."""
        valid = check_shapes(prediction, value, valid, 1)
        pixels = Pixels(prediction.squeeze(1), value.squeeze(1), valid, self.inverse_unit or 1.0)
        totals = torch.stack([_total(METRICS[name], pixels) for name in self.names])
        self.sums += totals
        self.counts += torch.stack([valid.sum(), (pixels.per_image > 0).sum()])
        if self.per_batch:
            # Without a valid pixel the sums are 0.
            self.batch_sums += totals[[self.names.index(name) for name in self.per_batch]] / valid.sum().clamp(min=1)
            self.batches += valid.any()
        if self.metric:
            predicted_bin, bin = map(_bins, pixels.logs)
            rows = ((predicted_bin, pixels.count), (bin, pixels.count), (bin, pixels.absolute), (bin, pixels.relative))
            self.by_distance += torch.stack([_binned(bins, x) for bins, x in rows])

    @override
    def compute(self) -> dict[str, float]:
        pixels, images = self.counts.tolist()
        if pixels == 0:
            return {}
        sums = self.sums.tolist()
        if not all(map(math.isfinite, sums)):
            raise ValueError(
                "a depth prediction or label is NaN, infinite or not above 0 m: the network has diverged (a smaller "
                "learning rate helps), or pixels without a depth are marked as valid; mask them, valid=meters[:, 0] > 0"
            )
        metrics = {}
        for name, total in zip(self.names, sums, strict=True):
            metric = METRICS[name]
            metrics[name] = metric.finish(total / (images if metric.scale_free else pixels))
        means = (self.batch_sums / self.batches).tolist()
        return metrics | {f"{name}_per_batch": mean for name, mean in zip(self.per_batch, means, strict=True)}

    @override
    def plots(self) -> dict[str, Any]:
        with self.sync_context():
            predicted, true, absolute, relative = self.by_distance.tolist()
        filled = [i for i, n in enumerate(true) if n]
        if not filled:
            return {}
        return {
            "histogram": {"edges": _EDGES, "predicted": [int(n) for n in predicted], "true": [int(n) for n in true]},
            "error_by_distance": {
                "edges": [_EDGES[filled[0]], *(_EDGES[i + 1] for i in filled)],
                "abs_err": [absolute[i] / true[i] for i in filled],
                "abs_rel": [relative[i] / true[i] for i in filled],
                "pixels": [int(true[i]) for i in filled],
            },
        }


def _total(metric: DepthMetric, pixels: Pixels) -> Tensor:
    """Return the sum of the metric's formula over the pixels, or images, of a batch."""
    terms = metric.formula(pixels)
    return terms.sum() if metric.scale_free else pixels.counted(terms).sum().double()


def _bins(log_meters: Tensor) -> Tensor:
    """Return each pixel's bin; six times as fast as a search in the edges."""
    octaves = (log_meters - math.log(_NEAREST)) / math.log(2)
    return (octaves * _PER_OCTAVE).long().clamp(0, _BINS - 1)


def _binned(bins: Tensor, x: Tensor) -> Tensor:
    """Return the sum of ``x`` in each bin. Unlike a weighted bincount, this has a deterministic version on a GPU."""
    return x.new_zeros(_BINS).index_add_(0, bins.flatten(), x.flatten())
