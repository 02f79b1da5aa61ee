"""IMTL-G: a gradient with equal projections onto every task's gradient."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from typing_extensions import override

from taskscape.weighting.gradients import GradientConfig
from taskscape.weighting.gramian import SAME, Array, Gramian, GramianWeighting


@dataclass(frozen=True)
class IMTLGConfig(GradientConfig):
    """Impartial multi-task learning, gradient balance (Liu et al., ICLR 2021, section 3.1).

    d = Σ w_k · g_k with Σ w_k = 1 and equal projections <d, g_k / ‖g_k‖>. Its direction does not depend on the scale of
    any loss. Weights can be negative; if all losses would increase along d, because the weights would have a negative
    sum, d is reversed. It is zero if there is no such d, as for two opposite gradients, or for two gradients and their
    sum. A task that is absent from a step has no projection; the weights of the others sum to one.
    """

    name: ClassVar[str] = "imtl-g"
    link: ClassVar[str] = "https://openreview.net/forum?id=IMPnRXEWpvr"


class IMTLG(GramianWeighting, config=IMTLGConfig):
    """IMTL-G, as in the paper."""

    config: IMTLGConfig

    @override
    def weights(self, gramian: Gramian, tasks: Sequence[str]) -> Array:
        nonzero = (gramian.lengths > 0).astype(float)
        coefficients = gramian.solve(nonzero)
        weights = coefficients * gramian.inverse_lengths
        total = abs(float(weights.sum()))
        if coefficients @ nonzero < SAME or total <= SAME * np.abs(weights).sum():
            return np.zeros(len(tasks))
        return weights / total
