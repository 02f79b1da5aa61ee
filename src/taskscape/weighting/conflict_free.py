"""ConFIG: the direction that has the same angle with every gradient."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from typing_extensions import override

from taskscape.serialization.ranges import Positive
from taskscape.weighting.gradients import GradientConfig
from taskscape.weighting.gramian import SAME, Array, Gramian, GramianWeighting
from taskscape.weighting.preferences import preferences


@dataclass(frozen=True)
class ConFIGConfig(GradientConfig):
    """Conflict-free inverse gradients (Liu, Chu and Thuerey, ICLR 2025, equation 2).

    d = (Σ <g_k, u>) · u with u = U(M⁺ · 1), where the rows of M are the gradients at length one, M⁺ is its
    pseudo-inverse and U brings a vector to length one. The direction does not change with the scale of any loss. Zero
    where none has the same angle with every gradient, as of two opposite gradients, or of two and their sum. A task
    that is absent from a step has no row in M: the angles are those with the others.
    """

    name: ClassVar[str] = "conflict-free"
    link: ClassVar[str] = "https://arxiv.org/abs/2408.11104"

    preference: Mapping[str, Positive] = field(default_factory=dict)
    """Relative cosine per task, 1 for those not named."""


class ConFIG(GramianWeighting, config=ConFIGConfig):
    """ConFIG by the gradients' inner products: the authors take the pseudo-inverse of all gradients."""

    config: ConFIGConfig

    @override
    def weights(self, gramian: Gramian, tasks: Sequence[str]) -> Array:
        wanted = np.where(gramian.lengths > 0, preferences(self.config.preference, tasks), 0.0)
        parts = gramian.solve(wanted / max(wanted.sum(), SAME))  # M⁺ = Mᵀ (M Mᵀ)⁺
        norm = gramian.norm(parts)
        if norm < SAME**0.5:
            return np.zeros(len(tasks))
        unit = parts / norm
        return gramian.lengths @ gramian.cosines @ unit * unit * gramian.inverse_lengths
