"""Exact solver of quadratic programs with nonnegative variables."""

import numpy as np
from numpy.typing import NDArray

from taskscape.weighting.gramian import Array


def nonnegative_minimum(matrix: Array, linear: Array) -> Array:
    """Return the v ≥ 0, (n,), that minimizes ½ · vᵀ A v - hᵀ v, for a positive definite A, (n, n), and h, (n,).

    This is the active-set method of Lawson and Hanson (Solving Least Squares Problems, 1974, algorithm 23.10). It ends
    after finitely many steps with the solution of a linear system, so the only error is rounding.
    """
    n = len(linear)
    v, free, refused = np.zeros(n), np.zeros(n, bool), np.zeros(n, bool)
    for _ in range(10 * n):  # more than needed; the limit prevents cycles caused by rounding
        slack = linear - matrix @ v
        rounding = 1e-15 * n * (np.abs(linear) + np.abs(matrix) @ np.abs(v))
        candidates = ~free & ~refused & (slack > rounding)
        if not candidates.any():
            break
        entering = int(np.where(candidates, slack, -np.inf).argmax())
        free[entering] = True
        v = _within_bounds(matrix, linear, v, free)
        if free[entering]:
            refused[:] = False
        else:
            refused[entering] = True
    return v


def _within_bounds(matrix: Array, linear: Array, v: Array, free: NDArray[np.bool_]) -> Array:
    """Move to the minimum over the free variables; fix each that reaches zero on the way, and update ``free``."""
    while free.any():
        minimum = np.zeros_like(v)
        minimum[free] = np.linalg.solve(matrix[np.ix_(free, free)], linear[free])
        reaches_zero = free & (minimum <= 0)
        if not reaches_zero.any():
            return minimum
        step = (v[reaches_zero] / (v[reaches_zero] - minimum[reaches_zero])).min()
        v = v + step * (minimum - v)
        free &= ~(reaches_zero & (v <= 1e-15 * np.abs(minimum)))
        v = np.where(free, v, 0.0)
    return np.zeros_like(v)
