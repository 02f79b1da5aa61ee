"""IMTL-G: a gradient that reaches equally far along every task's."""

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

    d = Σ w_k · g_k with Σ w_k = 1, whose projections <d, g_k / ‖g_k‖> are equal. Its direction does not change with
    the scale of any loss. Weights may be negative; where all losses would rise along d, as the sum of the weights would
    be negative, it is turned around. Zero where there is no such d, as of two opposite gradients, or of two and their
    sum. A task that is absent from a step asks for no projection: the weights of the others sum to one.
    """

    name: ClassVar[str] = "imtl-g"
    link: ClassVar[str] = "https://openreview.net/forum?id=IMPnRXEWpvr"


class IMTLG(GramianWeighting, config=IMTLGConfig):
    """IMTL-G, as the paper has it."""

    config: IMTLGConfig

    @override
    def weights(self, gramian: Gramian, tasks: Sequence[str]) -> Array:
        present = (gramian.lengths > 0).astype(float)
        parts = gramian.solve(present)
        weights: Array = parts * gramian.inverse_lengths
        total = abs(weights.sum())
        if parts @ present < SAME or total <= SAME * np.abs(weights).sum():
            return np.zeros(len(tasks))
        weights /= total
        return weights
