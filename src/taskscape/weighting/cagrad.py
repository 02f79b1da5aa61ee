"""CAGrad: near the mean gradient, the direction that is best for the task it serves least."""

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
"""Added to the square of a gradient of length one: the weights of gradients that are nearly opposite stay finite, and
the direction stays in its ball."""


@dataclass(frozen=True)
class CAGradConfig(GradientConfig):
    """Conflict-averse gradient descent (Liu et al., NeurIPS 2021, algorithm 1).

    max over d of min_k <g_k, d> with ‖d - g‖ ≤ c · ‖g‖, where g is the mean of the gradients. A task whose gradient is
    zero counts in the mean alone. A task that is absent from a step counts nowhere: mean and minimum are those of the
    others.
    """

    name: ClassVar[str] = "cagrad"
    link: ClassVar[str] = "https://arxiv.org/abs/2110.14048"

    c: NonNegative = 0.4
    """Radius around the mean gradient, relative to its length."""


class CAGrad(GramianWeighting, config=CAGradConfig):
    """CAGrad, solved exactly, and where several directions are best, by the one nearest to the mean gradient.

    The authors' dual problem has no direction there (where the gradients' shortest sum is zero); this solves the
    problem itself: the shortest step from the mean to where every task gets λ, for the largest λ within the ball.
    """

    config: CAGradConfig

    @override
    def weights(self, gramian: Gramian, tasks: Sequence[str]) -> Array:
        mean = np.full(len(tasks), 1 / len(tasks))
        lengths = gramian.lengths / max(gramian.lengths.max(), np.finfo(float).tiny)
        radius = gramian.norm(lengths / len(tasks))
        if radius < SAME**0.5 or self.config.c == 0:  # the mean gradient is zero, and so is its ball
            return mean
        there = lengths > 0
        cosines = gramian.cosines[there][:, there]
        along = cosines @ lengths[there] / (len(tasks) * radius)
        step = np.zeros(len(tasks))
        step[there] = _best_step(cosines, lengths[there].min() / lengths[there], along, self.config.c)
        weights: Array = mean + step * radius * np.divide(1, lengths, out=np.zeros_like(lengths), where=there)
        return weights


def _best_step(cosines: Array, shares: Array, along: Array, c: float) -> Array:
    """Return the v ≥ 0 of the step Σ v_k · u_k, at most ``c`` long, to the largest λ that every task can get.

    A task gets <u_k, g + step> = λ · share_k, where u_k are gradients of length one, ``cosines`` their products, g the
    mean gradient at length one and ``along`` the <u_k, g>.
    """
    square = cosines + _RIDGE * np.eye(len(cosines))
    least, most = (along / shares).min(), ((along + c) / shares).min()
    best, guess = np.zeros(len(cosines)), most
    for _ in range(200):
        v = nonnegative_minimum(square, guess * shares - along)
        length = np.sqrt(v @ square @ v)
        if length <= c * (1 + 1e-12):
            best, least = v, guess
        else:
            most = guess
        if abs(length - c) <= 1e-12 * c or most - least <= 1e-14 * max(abs(least), abs(most)):
            break
        guess = _exact(square, shares, along, c, v > 0)
        if not least < guess < most:
            guess = (least + most) / 2
    return best


def _exact(square: Array, shares: Array, along: Array, c: float, free: NDArray[np.bool_]) -> float:
    """Return the λ at which the step is ``c`` long while these variables are positive; nan where there is none."""
    if not free.any():
        return float("nan")
    p, q = np.linalg.solve(square[np.ix_(free, free)], np.stack([shares[free], along[free]], 1)).T
    a, b, rest = shares[free] @ p, shares[free] @ q, along[free] @ q - c**2
    root = b**2 - a * rest
    return float((b + np.sqrt(root)) / a) if root >= 0 else float("nan")
