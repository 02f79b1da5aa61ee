"""FairGrad: the direction along which the decreases of the losses are shared fairly."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
from typing_extensions import override

from taskscape.serialization.ranges import NonNegative, Range
from taskscape.weighting.gradients import GradientConfig
from taskscape.weighting.gramian import RIDGE, Array, Gramian, GramianWeighting
from taskscape.weighting.nonnegative import nonnegative_minimum

_SMALLEST_COSINE = 1e-5
"""If no direction has a larger cosine with every gradient, none counts as one that improves every task. Rounding to
float32 changes cosines by about 1e-7."""
_RIDGE = 1e-15
"""Keeps the equations solvable if gradients are linearly dependent."""
_ITERATIONS = 200
"""Newton steps. A solution takes about 10, and up to 110 if lengths differ by a factor of 1e30."""
_TINY = np.finfo(float).tiny


@dataclass(frozen=True)
class FairGradConfig(GradientConfig):
    """Fair resource allocation (Ban and Ji, ICML 2024, equation 4).

    d = Σ w_k · g_k with <g_k, d> = w_k^(-1/α) and w_k > 0 for every task. For its length, d has the largest sum of the
    α-fair utilities <g_k, d>^(1-α) / (1-α) of the losses' decreases; with α = 1, these are logarithms, and d is that of
    Nash-MTL. The larger α, the more the smallest decrease counts. If all losses are multiplied by c, d is multiplied by
    c^((1-α)/(1+α)); if one is, the direction changes as well, unless α is 1.

    If there is no such d, because some positive combination of the gradients is zero and no direction improves every
    task, the shared layers are not updated. A task that is absent from a step gets no share, and a task that is alone,
    because the others are absent or have no gradient, keeps its gradient, up to ``max_norm``.
    """

    name: ClassVar[str] = "fairgrad"
    link: ClassVar[str] = "https://arxiv.org/abs/2402.15638"

    alpha: Annotated[float, Range(least=0.1, most=10)] = 2.0
    """α: 1 for proportional fairness, as in Nash-MTL; 2 for minimum potential delay, as in the authors' scripts."""
    max_norm: NonNegative = 1.0
    """Largest norm of the combined gradient, as in the authors' code; 0 for no limit."""


class FairGrad(GramianWeighting, config=FairGradConfig):
    """FairGrad, solved exactly; the authors minimize the squared error of the equations, from the plain mean.

    Of two gradients at right angles, the long one still decreases its loss more, by 4^(2/3) here::

        >>> import torch
        >>> from taskscape.weighting import BalancingContext, FairGrad
        >>> x = torch.nn.Parameter(torch.zeros(2))
        >>> losses = {"a": 2 + x @ torch.tensor([1.0, 0.0]), "b": 2 + x @ torch.tensor([0.0, 4.0])}
        >>> fair = FairGrad(["a", "b"], max_norm=0.0)
        >>> fair.backward(losses, BalancingContext.of(losses, shared=[x], tasks=[]))
        {'a': tensor(1.), 'b': tensor(0.1575)}
    """

    config: FairGradConfig

    @override
    def weights(self, gramian: Gramian, tasks: Sequence[str]) -> Array:
        participants = np.flatnonzero(gramian.lengths)  # tasks with a zero gradient do not take part
        weights = np.zeros(len(tasks))
        weights[participants] = fair_weights(
            gramian.lengths[participants], gramian.cosines[participants][:, participants], self.config.alpha
        )
        return gramian.clipped(weights, self.config.max_norm)


def fair_weights(lengths: Array, cosines: Array, alpha: float) -> Array:
    """Return the weights, (tasks,), of gradients with these lengths, (tasks,), and cosines, (tasks, tasks).

    They are zero if some positive combination of the gradients is zero, and one for a single gradient.
    """
    n = len(lengths)
    if n < 2:
        return np.ones(n)
    # The shortest vector in the convex hull of the directions, as in MGDA: its length is the largest cosine.
    shares = nonnegative_minimum(cosines + 1 + RIDGE * np.eye(n), np.ones(n))
    if shares @ cosines @ shares <= (_SMALLEST_COSINE * shares.sum()) ** 2:
        return np.zeros(n)
    # In v = w · length, the equation is C v = s · (s / v)^(1/α), where s is v for gradients at right angles. It is
    # solved for a largest s of 1, since v is proportional to s.
    scales = lengths ** ((1 - alpha) / (1 + alpha))
    v = scales.max() * _solution(cosines + _RIDGE * np.eye(n), scales / scales.max(), alpha)
    weights: Array = v / lengths
    return weights


def _solution(cosines: Array, scales: Array, alpha: float) -> Array:
    """Return the v > 0 with C v = s · (s / v)^p for p = 1/α, (tasks,).

    It minimizes the convex function ½ · vᵀ C v - Σ s_k · ∫ (s_k / v_k)^p, by Newton's method. v is kept as logarithms,
    since the weight of a long gradient can be tiny. If v_k would shrink by the fraction r in a step, and no other one
    by more, the step is damped so that v_k is divided by (1 + p · r)^α. This is the longest step for which the function
    surely decreases, as its second derivatives grow by at most (v_k before / v_k after)^(p+1).
    """
    p, log_scales = 1 / alpha, np.log(scales)
    log_v = log_scales
    for _ in range(_ITERATIONS):
        v = np.exp(log_v)
        targets = np.exp(log_scales + p * (log_scales - log_v))
        change = np.linalg.solve(cosines * v + np.diag(p * targets), cosines @ v - targets)  # the step divided by v
        r = max(float(change.max()), 0.0)
        log_least = -alpha * np.log1p(p * r)
        damping = -np.expm1(log_least) / r if r > 0 else 1.0
        log_v = log_v + np.maximum(np.log(np.maximum(1 - damping * change, _TINY)), log_least)
        if np.abs(change).max() < 1e-6:
            break
    return np.exp(log_v)
