"""Agreement of predicted confidence with the actual errors."""

import math
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from typing_extensions import override

from taskscape.metrics.base import TaskMetric, check_shapes
from taskscape.metrics.spec import MetricSpec

_RELIABILITY_BINS = 15
_PER_OCTAVE, _FIRST_OCTAVE, _OCTAVES = 32, -24, 36
_BINS = _PER_OCTAVE * _OCTAVES + 1
"""Number of bins of uncertainties and errors: steps of 2.2 % from 6e-8 to 4096, and one for smaller values."""
_REMOVED = [percent / 100 for percent in range(100)]

Array = NDArray[np.float64]


class ConfidenceMetrics(TaskMetric):
    """Calibration of the probability of being right, and ranking of errors by uncertainty, over the valid pixels.

    - ``ece``, expected calibration error in percent: Σ n_b / N · |r_b - p_b| over 15 probability bins of equal width,
      with n_b of N pixels, the share r_b that is right and the mean probability p_b (Naeini et al., AAAI 2015,
      https://doi.org/10.1609/aaai.v29i1.9602; Guo et al., ICML 2017, https://arxiv.org/abs/1706.04599).
    - ``nll``: mean negative log-likelihood in nats, of the ground truth if it is passed to ``update``, else of being
      right or wrong.
    - ``ause``, area under the sparsification error (Ilg et al., ECCV 2018, https://arxiv.org/abs/1802.07095): the mean
      error of the remaining pixels as the most uncertain ones are removed, minus that as those with the largest errors
      are removed, both divided by the mean error of all pixels, integrated over the share removed. 0 is a perfect
      ranking.
    - ``ause_random``: the same for pixels removed at random, as by an uninformative uncertainty.

    The pixels of the whole split are ranked together, using a histogram with steps of 2.2 %. Pixels within a step are
    removed at random, and the area is exact for that order.

    ``plots``: ``reliability`` has the ``edges`` of the bins, ``pixels``, and the mean ``probability`` and share
    ``right`` of each bin, None for empty bins. ``sparsification`` has the mean ``error`` of the remaining pixels at
    each share ``removed``, and that of the ``oracle``, both divided by the mean error of all pixels.

    A batch of 8 x 128 x 256 pixels costs 12 ms on one CPU core.
    """

    reliability: Tensor
    """Pixels, Σ probability and right pixels by probability, (3, 15) float64."""
    by_uncertainty: Tensor
    """Pixels and Σ error by uncertainty, (2, bins) float64."""
    by_error: Tensor
    """Pixels and Σ error by error, (2, bins) float64."""
    likelihood: Tensor
    """Σ negative log-likelihood, float64."""

    def __init__(self, error: str = "share of wrong pixels", right_when: str = "it is right") -> None:
        """Initialize the metric; the specs quote both texts: what the error is, and when a prediction is right."""
        super().__init__()
        self.error, self.right_when = error, right_when
        self.add_state("reliability", torch.zeros(3, _RELIABILITY_BINS, dtype=torch.float64))
        self.add_state("by_uncertainty", torch.zeros(2, _BINS, dtype=torch.float64))
        self.add_state("by_error", torch.zeros(2, _BINS, dtype=torch.float64))
        self.add_state("likelihood", torch.zeros((), dtype=torch.float64))

    @property
    @override
    def specs(self) -> dict[str, MetricSpec]:
        remaining_error = f"Mean error ({self.error}) of the remaining pixels as the most uncertain ones are removed"
        return {
            "ece": MetricSpec(
                "Calibration error (ECE)",
                "%",
                f"Mean difference between the predicted probability that {self.right_when} and how often that is true.",
            ),
            "nll": MetricSpec(
                "NLL", "", "Negative log-likelihood of the ground truth under the predicted distribution.", 4
            ),
            "ause": MetricSpec("AUSE", "", f"{remaining_error}, compared with the best order: 0 is best.", 4),
            "ause_random": MetricSpec(
                "AUSE of a random order", "", "AUSE of an uninformative uncertainty.", 4, optional=True
            ),
        }

    @override
    def update(
        self,
        prediction: Tensor,
        value: Tensor,
        valid: Tensor | None = None,
        *,
        uncertainty: Tensor | None = None,
        error: Tensor | None = None,
        nll: Tensor | None = None,
    ) -> None:
        """Update with the probability of being right and whether the prediction is right, (B, H, W) each.

        ``uncertainty`` ranks the pixels and defaults to 1 - probability; ``error`` defaults to 1 for wrong pixels.
        ``nll`` is the negative log-likelihood of the ground truth. Raises ``ValueError`` for other shapes, for
        probabilities and right predictions outside 0..1, and for an uncertainty or error below 0.
        """
        valid = check_shapes(prediction, value, valid, None)
        for name, given in {"uncertainty": uncertainty, "error": error, "nll": nll}.items():
            if given is not None and given.shape != value.shape:
                raise ValueError(
                    f"{name} is {tuple(given.shape)}: it must be {tuple(value.shape)}, like the prediction"
                )
        index = valid.flatten().nonzero()[:, 0]
        probability, right = (x.flatten()[index].double() for x in (prediction, value))
        if ((probability < 0) | (probability > 1)).any():
            raise ValueError(f"probabilities are {probability.min():g} … {probability.max():g}: they must be 0 … 1")
        if ((right < 0) | (right > 1)).any():
            raise ValueError(
                f"value is {right.min():g} … {right.max():g}: it must be whether the prediction is right, 0 or 1, such "
                "as ids == labels"
            )
        error = 1 - right if error is None else error.flatten()[index].double()
        uncertainty = 1 - probability if uncertainty is None else uncertainty.flatten()[index].double()
        for name, x in {"uncertainty": uncertainty, "error": error}.items():
            if (x < 0).any():
                raise ValueError(
                    f"{name} is {x.min():g} … {x.max():g}: it must be at least 0; take the exponential of a logarithm "
                    "such as the entropy of a density"
                )
        ones = torch.ones_like(right)
        bins = (probability * _RELIABILITY_BINS).long().clamp(0, _RELIABILITY_BINS - 1)
        self.reliability.index_add_(1, bins, torch.stack([ones, probability, right]))
        ranked_error = error.masked_fill(uncertainty.isnan(), math.nan)  # a pixel without a rank
        self.by_uncertainty.index_add_(1, _bins(uncertainty), torch.stack([ones, ranked_error]))
        self.by_error.index_add_(1, _bins(error), torch.stack([ones, error]))
        if nll is None:
            surprise = -torch.where(right > 0.5, probability, 1 - probability).clamp(min=1e-12).log()
        else:
            surprise = nll.flatten()[index].double()
        self.likelihood += surprise.sum()

    @override
    def compute(self) -> dict[str, float]:
        pixels, probability, right = _arrays(self.reliability)
        if not pixels.sum():
            return {}
        states = (self.reliability, self.by_uncertainty, self.by_error, self.likelihood)
        if not all(state.isfinite().all() for state in states):
            raise ValueError(
                "a predicted confidence is NaN or infinite: the network has diverged (a smaller learning rate helps)"
            )
        best = _area(*_arrays(self.by_error))
        return {
            "ece": 100 * float(np.abs(right - probability).sum() / pixels.sum()),
            "nll": self.likelihood.item() / pixels.sum().item(),
            "ause": _area(*_arrays(self.by_uncertainty)) - best,
            "ause_random": 1 - best,
        }

    @override
    def plots(self) -> dict[str, Any]:
        with self.sync_context():
            pixels, probability, right = _arrays(self.reliability)
            orders = [_arrays(state) for state in (self.by_uncertainty, self.by_error)]
        if not pixels.sum():
            return {}
        divisor = np.maximum(pixels, 1)
        is_filled = [bool(count) for count in pixels]
        error, oracle = (_remaining_errors(*order) for order in orders)
        return {
            "reliability": {
                "edges": [i / _RELIABILITY_BINS for i in range(_RELIABILITY_BINS + 1)],
                "pixels": [int(count) for count in pixels],
                "probability": [
                    p if s else None for p, s in zip((probability / divisor).tolist(), is_filled, strict=True)
                ],
                "right": [r if s else None for r, s in zip((right / divisor).tolist(), is_filled, strict=True)],
            },
            "sparsification": {"removed": _REMOVED, "error": error, "oracle": oracle},
        }


def _bins(x: Tensor) -> Tensor:
    """Return the bin of each number: 0 for zero and tiny numbers, then logarithmic."""
    octaves = x.float().clamp(2.0 ** (_FIRST_OCTAVE - 1), 2.0 ** (_FIRST_OCTAVE + _OCTAVES)).log2() - _FIRST_OCTAVE
    return (octaves * _PER_OCTAVE).floor().long().clamp(-1, _BINS - 2) + 1


def _arrays(state: Tensor) -> list[Array]:
    return [np.asarray(row) for row in state.tolist()]


def _area(pixels: Array, errors: Array) -> float:
    """Return the area below the mean error of the remaining pixels, relative to that of all, over the share removed.

    The last bins are removed first. Within a bin, pixels are removed at random: if m pixels remain, their mean error is
    (E + e·(m - M)) / m, with M pixels and the sum of errors E in the preceding bins and the mean error e of this bin.
    Without any error the area is 0.
    """
    if not errors.sum():
        return 0.0
    is_filled = pixels > 0
    pixels, errors = pixels[is_filled], errors[is_filled]
    pixels_up_to, errors_up_to = pixels.cumsum(), errors.cumsum()
    mean = errors / pixels
    area = errors.sum()  # Σ e·n
    pixels_before, errors_before = pixels_up_to[:-1], errors_up_to[:-1]
    area += ((errors_before - mean[1:] * pixels_before) * np.log(pixels_up_to[1:] / pixels_before)).sum()
    return float(area / errors.sum())


def _remaining_errors(pixels: Array, errors: Array) -> list[float]:
    """Return the mean error of the remaining pixels, relative to all, at each share removed; 0 without errors."""
    if not errors.sum():
        return [0.0] * len(_REMOVED)
    remaining = (1 - np.array(_REMOVED)) * pixels.sum()
    sums = np.interp(remaining, np.concatenate([[0.0], pixels.cumsum()]), np.concatenate([[0.0], errors.cumsum()]))
    relative_errors: list[float] = (sums / remaining / (errors.sum() / pixels.sum())).tolist()
    return relative_errors
