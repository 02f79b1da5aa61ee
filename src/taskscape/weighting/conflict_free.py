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

    d = (Σ <g_k, u>) · u with u = U(M⁺ · 1), where the rows of M are the gradients scaled to length one, M⁺ is its
    pseudo-inverse and U scales a vector to length one. The direction does not depend on the scale of any loss. It is
    zero if no direction has the same angle with every gradient, as for two opposite gradients, or for two gradients and
    their sum. A task that is absent from a step has no row in M, so only the angles with the others are equal.
    """

    name: ClassVar[str] = "conflict-free"
    link: ClassVar[str] = "https://arxiv.org/abs/2408.11104"

    preference: Mapping[str, Positive] = field(default_factory=dict)
    """Relative cosine of each task; 1 for tasks not listed."""


class ConFIG(GramianWeighting, config=ConFIGConfig):
    """ConFIG by the gradients' inner products, instead of the pseudo-inverse of all gradients that the authors use."""

    config: ConFIGConfig

    @override
    def weights(self, gramian: Gramian, tasks: Sequence[str]) -> Array:
        target_cosines = np.where(gramian.lengths > 0, preferences(self.config.preference, tasks), 0.0)
        coefficients = gramian.solve(target_cosines / max(target_cosines.sum(), SAME))  # M⁺ = Mᵀ (M Mᵀ)⁺
        norm = gramian.norm(coefficients)
        if norm < SAME**0.5:
            return np.zeros(len(tasks))
        unit_coefficients = coefficients / norm
        return gramian.lengths @ gramian.cosines @ unit_coefficients * unit_coefficients * gramian.inverse_lengths
