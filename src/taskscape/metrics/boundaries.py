"""Agreement of predicted and true boundaries."""

import math

import torch
from torch import Tensor
from typing_extensions import override

from taskscape.metrics.base import TaskMetric, check_shapes
from taskscape.metrics.spec import MetricSpec

_INTERVALS = 100
"""Number of equal intervals of the probability. Thresholds are their inner edges: 1/100, 2/100, …, 99/100."""

SPECS = {
    "ods": MetricSpec(
        "ODS F",
        "%",
        "F-measure of boundaries at the best threshold for the whole split.",
        higher_is_better=True,
        leads=True,
        in_delta_m=True,
    ),
    "ois": MetricSpec(
        "OIS F",
        "%",
        "F-measure of boundaries at the best threshold for each image.",
        higher_is_better=True,
    ),
}


class BoundaryMetrics(TaskMetric):
    """F-measure of boundaries at the best threshold, in percent.

    Precision is the share of predicted boundary pixels with a true boundary pixel within the tolerance, recall the
    share of true boundary pixels with a predicted one; F is their harmonic mean, 2PR / (P + R). ``ods`` uses the best
    of 99 probability thresholds for the whole split, ``ois`` the best for each image; in both, pixels are counted over
    the split. Martin et al., TPAMI 2004 (https://doi.org/10.1109/TPAMI.2004.1273918); Arbeláez et al., TPAMI 2011
    (https://doi.org/10.1109/TPAMI.2010.161).

    The tolerance is a Euclidean distance, by default 0.0075 of the image's diagonal as in the BSDS benchmark. Unlike in
    the benchmark, pixels are matched by dilation, so a pixel may match several others, and predictions are not thinned
    first. The results are comparable with each other, but not with those of the benchmark.

    A batch of 8 x 128 x 256 pixels costs 8 ms on one CPU core, an image of 1024 x 2048 130 ms. On a GPU, an update is a
    synchronization point.

    >>> metric = BoundaryMetrics()
    >>> line = torch.zeros(1, 1, 16, 16)
    >>> line[..., 8] = 1.0
    >>> metric.update(0.9 * line, line)
    >>> round(metric.compute()["ods"], 1)
    100.0
    """

    specs = SPECS

    counts: Tensor
    """Pixels by interval of probability, (3, 100) int64: all pixels and those near a true boundary by their own
    probability, then true boundary pixels by the highest probability near them."""
    true: Tensor
    """Number of true boundary pixels, int64."""
    best: Tensor
    """Predicted, right, found and true pixels at each image's best threshold, (4,) int64."""
    total: Tensor
    """Sum of the probabilities, float64; not finite if any of them is not."""

    def __init__(self, tolerance: float = 0.0075) -> None:
        """Initialize the metric; ``tolerance`` is a fraction of the image's diagonal."""
        super().__init__()
        self.tolerance = tolerance
        self.add_state("counts", torch.zeros(3, _INTERVALS, dtype=torch.int64))
        self.add_state("true", torch.zeros((), dtype=torch.int64))
        self.add_state("best", torch.zeros(4, dtype=torch.int64))
        self.add_state("total", torch.zeros((), dtype=torch.float64))

    @override
    def update(self, prediction: Tensor, value: Tensor, valid: Tensor | None = None) -> None:
        """Update with (B, 1, H, W) probabilities and labels of 0 or 1.

        Raises ``ValueError`` for values outside 0 … 1 at valid pixels, such as logits, for labels that are NaN, and for
        other shapes.
        """
        valid = check_shapes(prediction, value, valid, 1)
        if (value.squeeze(1).isnan() & valid).any():
            raise ValueError("value has NaN at valid pixels: mask pixels without a label with valid")
        for name, x in {"prediction": prediction, "value": value}.items():
            if (((x < 0) | (x > 1)).squeeze(1) & valid).any():
                raise ValueError(
                    f"{name} is {x.min():g} … {x.max():g}: boundaries must be 0 … 1; apply a sigmoid to logits"
                )
        radius = self.tolerance * math.hypot(*valid.shape[-2:])
        probability = prediction.squeeze(1).float().masked_fill(~valid, 0.0)
        true = (value.squeeze(1) > 0.5) & valid
        near_true = _dilate(true.byte(), radius) > 0
        near_predicted = _dilate(probability, radius)
        counts_b3k = torch.stack(
            [
                _histogram(probability, valid),
                _histogram(probability, valid & near_true),
                _histogram(near_predicted, true),
            ],
            1,
        )
        true_b = true.sum((1, 2))
        passing_b3k = _at_threshold(counts_b3k)
        # Of equally good thresholds, take the highest: without a true boundary it has the fewest false positives.
        k_b = _INTERVALS - 1 - _f_measure(passing_b3k, true_b[:, None])[:, 1:].flip(1).argmax(1)
        best_b3 = passing_b3k.gather(2, k_b.view(-1, 1, 1).expand(-1, 3, 1)).squeeze(2)
        self.counts += counts_b3k.sum(0)
        self.true += true_b.sum()
        self.best += torch.cat([best_b3.sum(0), true_b.sum().view(1)])
        self.total += probability.double().sum()

    @override
    def compute(self) -> dict[str, float]:
        if self.true == 0:
            return {}
        if not self.total.isfinite():
            raise ValueError(
                "a predicted boundary is NaN or infinite: the network has diverged (a smaller learning rate helps)"
            )
        ods = _f_measure(_at_threshold(self.counts), self.true)[1:].max()
        ois = _f_measure(self.best[:3, None], self.best[3])
        return {"ods": 100 * ods.item(), "ois": 100 * ois.item()}


def _histogram(probability: Tensor, mask: Tensor) -> Tensor:
    """Return the number of pixels per image and interval of probability, (B, 100) int64."""
    images = len(probability)
    image = torch.arange(images, device=probability.device)[:, None, None]
    cell = image * _INTERVALS + (probability * _INTERVALS).long().clamp(0, _INTERVALS - 1)
    cell = cell.masked_fill(~mask, images * _INTERVALS)
    return cell.flatten().bincount(minlength=images * _INTERVALS + 1)[:-1].view(images, _INTERVALS)


def _at_threshold(counts: Tensor) -> Tensor:
    """Return the number of pixels with a probability of at least k/100, (…, 100), from the counts by interval."""
    return counts.flip(-1).cumsum(-1).flip(-1)


def _f_measure(passing: Tensor, true: Tensor) -> Tensor:
    """Return 2PR / (P + R), float64, from predicted, right and found pixels, (…, 3, K), and true pixels; 0 for 0/0."""
    predicted, right, found = passing.double().unbind(-2)
    precision, recall = right / predicted.clamp(min=1), found / true.clamp(min=1)
    return 2 * precision * recall / (precision + recall).clamp(min=1e-12)


def _dilate(x: Tensor, radius: float) -> Tensor:
    """Return the maximum within a Euclidean distance of each pixel, (B, H, W)."""
    highest, rows, half_width = x.clone(), x.clone(), 0
    for dy in range(int(radius), -1, -1):  # rows of a disk, from its top and bottom to its middle
        while half_width < int(math.sqrt(radius**2 - dy**2)):
            half_width += 1
            _raise_to_(rows, x, -1, half_width)
        _raise_to_(highest, rows, -2, dy)
    return highest


def _raise_to_(x: Tensor, other: Tensor, dim: int, shift: int) -> None:
    """Replace each value by the maximum of itself and the values of ``other`` at ``shift`` before and after it."""
    count = x.shape[dim] - shift
    if count > 0:
        for start, other_start in ((shift, 0), (0, shift)):
            part = x.narrow(dim, start, count)
            torch.maximum(part, other.narrow(dim, other_start, count), out=part)
