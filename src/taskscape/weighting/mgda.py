"""MGDA: the shortest vector in the convex hull of the gradients."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from typing_extensions import override

from taskscape.weighting.gradients import GradientConfig
from taskscape.weighting.gramian import RIDGE, Array, Gramian, GramianWeighting
from taskscape.weighting.nonnegative import nonnegative_minimum


@dataclass(frozen=True)
class MGDAConfig(GradientConfig):
    """Multiple-gradient descent (Désidéri, 2012; Sener and Koltun, NeurIPS 2018, equation 3).

    min ‖Σ w_k · g_k‖ over nonnegative weights that sum to one. A task whose gradient is zero takes all the weight, and
    the shared layers are not updated. A task that is absent from a step does not: the convex hull is that of the other
    tasks' gradients, and a task that is alone keeps its gradient.
    """

    name: ClassVar[str] = "mgda"
    link: ClassVar[str] = "https://arxiv.org/abs/1810.04650"


class MGDA(GramianWeighting, config=MGDAConfig):
    """MGDA, solved exactly; torchjd and the authors approximate the same weights with Frank-Wolfe iterations.

    The shortest vector between (1, 0) and (0, 2)::

        >>> import torch
        >>> from taskscape.weighting import BalancingContext, MGDA
        >>> x = torch.nn.Parameter(torch.zeros(2))
        >>> losses = {"a": 2 + x @ torch.tensor([1.0, 0.0]), "b": 2 + x @ torch.tensor([0.0, 2.0])}
        >>> _ = MGDA(["a", "b"]).backward(losses, BalancingContext.of(losses, shared=[x], tasks=[]))
        >>> x.grad
        tensor([0.8000, 0.4000])
    """

    config: MGDAConfig

    @override
    def weights(self, gramian: Gramian, tasks: Sequence[str]) -> Array:
        is_zero = gramian.lengths == 0
        if is_zero.any():
            return np.where(is_zero, 1 / is_zero.sum(), 0.0)
        # The minimum of ‖Σ v_k · g_k‖² + (1 - Σ v_k)² over v ≥ 0 is a multiple of the shortest vector.
        shares = gramian.lengths.min() / gramian.lengths
        square = gramian.cosines + np.outer(shares, shares) + RIDGE * np.eye(len(tasks))
        weights: Array = nonnegative_minimum(square, shares) * shares
        weights /= weights.sum()
        return weights
