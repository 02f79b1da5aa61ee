"""Range and normalization of depth, computed from a sample, (pixels,), of positive and finite depths."""

import math

import numpy as np

from taskscape.modalities.base import Array


def fraction_outside(depth: Array, limits: tuple[float, float]) -> float:
    """Return the fraction of pixels outside the range ``limits``."""
    return float(np.mean((depth < limits[0]) | (depth > limits[1])))


def range_of(depth: Array) -> tuple[float, float]:
    """Return half the nearest and twice the farthest depth, ignoring 0.1 % of the pixels at each end."""
    nearest, farthest = np.quantile(depth, (0.001, 0.999))
    return rounded(nearest / 2), rounded(2 * farthest)


def is_like(depth: Array, log_mean: float, log_std: float) -> bool:
    """Return whether depth is similar to data with these statistics of its logarithm.

    The geometric mean must be within a factor of 4, the standard deviation of the logarithm within a factor of 2.
    """
    logs = np.log(depth)
    return bool(abs(logs.mean() - log_mean) <= math.log(4) and log_std / 2 <= logs.std() <= log_std * 2)


def normalization_of(values: Array) -> tuple[float, float]:
    """Return mean and standard deviation of represented depth; the latter is at least 5 % of the largest magnitude."""
    std = max(float(values.std()), 0.05 * float(np.abs(values).max())) or 1.0
    return rounded(float(values.mean())), rounded(std)


def rounded(number: float) -> float:
    """Round to two significant digits."""
    return float(f"{number:.2g}")
