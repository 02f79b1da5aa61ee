"""Chart of the spread of errors by true value, on a run's sample images."""

import math

import numpy as np
import numpy.typing as npt

from taskscape.report.charts import Box, boxes

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
DOTS = 500
"""Maximum number of pixels drawn as dots."""
FARTHEST = 8.0
"""Ratios of prediction to true value are clipped to this factor, and to its inverse."""
FEWEST = 50
"""Minimum number of pixels of a box."""

Array = npt.NDArray[np.floating]


def error_boxes(word: str, axis: str, label: Array, prediction: Array, valid: npt.NDArray[np.bool_]) -> str:
    """Return a chart of predicted : true over true values above 0: one box per octave, and some pixels as dots.

    Returns an empty string if there are too few pixels.
    """
    usable = valid & np.isfinite(prediction) & np.isfinite(label) & (label > 0)
    true = label[usable].astype(np.float64)
    if true.size < FEWEST:
        return ""
    ratio = np.clip(prediction[usable] / true, 1 / FARTHEST, FARTHEST)
    octave = np.floor(np.log2(true)).astype(np.int64)
    items = []
    for number in range(int(octave.min()), int(octave.max()) + 1):
        inside = ratio[octave == number]
        if inside.size >= FEWEST:
            low, q1, middle, q3, high = np.quantile(inside, QUANTILES).tolist()
            items.append(Box(math.ldexp(1, number), math.ldexp(1, number + 1), (low, q1, middle, q3, high)))
    drawn = np.random.default_rng(0).permutation(true.size)[:DOTS]
    return boxes(
        f"Errors by distance, {word}",
        items,
        list(zip(true[drawn].tolist(), ratio[drawn].tolist(), strict=True)),
        f"true {word}, {axis}",
        "predicted : true · median, quartiles, 5th and 95th percentiles over the sample images below",
    )
