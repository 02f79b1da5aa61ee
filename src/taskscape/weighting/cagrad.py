"""CAGrad: the direction near the mean gradient that is best for the task that benefits least."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from taskscape.serialization.ranges import NonNegative
from taskscape.weighting.gradients import GradientConfig
from taskscape.weighting.gramian import SAME, Array, Gramian, GramianWeighting
from taskscape.weighting.nonnegative import nonnegative_minimum

_RIDGE = 1e-9
"""Added to the square of a gradient of length one, so that the weights of nearly opposite gradients stay finite and the
direction stays in its ball."""


@dataclass(frozen=True)
class CAGradConfig(GradientConfig):
    """Conflict-averse gradient descent (Liu et al., NeurIPS 2021, algorithm 1).

    max over d of min_k <g_k, d> with ‖d - g‖ ≤ c · ‖g‖, where g is the mean of the gradients. A task whose gradient is
    zero is included in the mean, but not in the minimum. A task that is absent from a step is included in neither.
    """

    name: ClassVar[str] = "cagrad"
    link: ClassVar[str] = "https://arxiv.org/abs/2110.14048"

    c: NonNegative = 0.4
    """Radius around the mean gradient, relative to its length."""


class CAGrad(GramianWeighting, config=CAGradConfig):
    """CAGrad, solved exactly. If several directions are best, the one nearest to the mean gradient is chosen.

    In that case (the shortest vector in the gradients' convex hull is zero), the authors' dual problem gives no
    direction. This class solves the primal problem: the shortest step from the mean to a point where every task gets at
    least λ, for the largest λ within the ball.
    """

    config: CAGradConfig

    @override
    def weights(self, gramian: Gramian, tasks: Sequence[str]) -> Array:
        mean = np.full(len(tasks), 1 / len(tasks))
        lengths = gramian.lengths / max(gramian.lengths.max(), np.finfo(float).tiny)
        radius = gramian.norm(lengths / len(tasks))
        if radius < SAME**0.5 or self.config.c == 0:  # the ball around a zero mean gradient has radius zero
            return mean
        nonzero = lengths > 0
        cosines = gramian.cosines[nonzero][:, nonzero]
        projections = cosines @ lengths[nonzero] / (len(tasks) * radius)
        step = np.zeros(len(tasks))
        step[nonzero] = _best_step(cosines, lengths[nonzero].min() / lengths[nonzero], projections, self.config.c)
        weights: Array = mean + step * radius * np.divide(1, lengths, out=np.zeros_like(lengths), where=nonzero)
        return weights


def _best_step(cosines: Array, shares: Array, projections: Array, c: float) -> Array:
    """Return v ≥ 0 such that the step Σ v_k · u_k, of length at most ``c``, reaches the largest λ for every task.

    A task gets <u_k, g + step> = λ · share_k, where u_k are the gradients scaled to length one, ``cosines`` their
    products, g the mean gradient scaled to length one, and ``projections`` the <u_k, g>.
    """
    square = cosines + _RIDGE * np.eye(len(cosines))
    lower, upper = (projections / shares).min(), ((projections + c) / shares).min()
    best, guess = np.zeros(len(cosines)), upper
    for _ in range(200):
        v = nonnegative_minimum(square, guess * shares - projections)
        length = np.sqrt(v @ square @ v)
        if length <= c * (1 + 1e-12):
            best, lower = v, guess
        else:
            upper = guess
        if abs(length - c) <= 1e-12 * c or upper - lower <= 1e-14 * max(abs(lower), abs(upper)):
            break
        guess = _lambda_at_radius(square, shares, projections, c, v > 0)
        if not lower < guess < upper:
            guess = (lower + upper) / 2
    return best


def _lambda_at_radius(square: Array, shares: Array, projections: Array, c: float, free: NDArray[np.bool_]) -> float:
    """Return the λ at which the step has length ``c`` if exactly the ``free`` variables are positive; nan if none."""
    if not free.any():
        return float("nan")
    p, q = np.linalg.solve(square[np.ix_(free, free)], np.stack([shares[free], projections[free]], 1)).T
    a, b, constant = shares[free] @ p, shares[free] @ q, projections[free] @ q - c**2
    discriminant = b**2 - a * constant
    return float((b + np.sqrt(discriminant)) / a) if discriminant >= 0 else float("nan")
