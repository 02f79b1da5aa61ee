"""Aligned-MTL: gradients whose principal components are scaled to the same length."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Literal

import numpy as np
from typing_extensions import override

from taskscape.serialization.ranges import Positive
from taskscape.weighting.gradients import GradientConfig
from taskscape.weighting.gramian import SAME, Array, Gramian, GramianWeighting
from taskscape.weighting.preferences import preferences


@dataclass(frozen=True)
class AlignedMTLConfig(GradientConfig):
    """Independent component alignment (Senushkin et al., CVPR 2023, algorithm 1).

    All singular values of the matrix of gradients, U · diag(s) · Vᵀ, are replaced by a single value σ, and the rows of
    σ · U · Vᵀ are averaged. A task that is absent from a step has no row in U and is not part of the average.
    """

    name: ClassVar[str] = "aligned-mtl"
    link: ClassVar[str] = "https://arxiv.org/abs/2305.19000"

    scale: Literal["min", "median", "rmse"] = "min"
    """σ: the smallest singular value, as in the paper, the median, or the root mean square."""
    preference: Mapping[str, Positive] = field(default_factory=dict)
    """Relative weight of each task in the average; 1 for tasks not listed."""


class AlignedMTL(GramianWeighting, config=AlignedMTLConfig):
    """Aligned-MTL by a singular value decomposition; the Gramian's eigenvalues, their squares, lose half the digits."""

    config: AlignedMTLConfig

    @override
    def weights(self, gramian: Gramian, tasks: Sequence[str]) -> Array:
        average = preferences(self.config.preference, tasks)
        if not gramian.lengths.any():
            return average
        # Rows with the same lengths and angles as the gradients, in as few columns as they span.
        eigenvalues, vectors = np.linalg.eigh(gramian.cosines)
        significant = eigenvalues > SAME * eigenvalues[-1]
        lengths = gramian.lengths / gramian.lengths.max()
        rows = lengths[:, None] * vectors[:, significant] * np.sqrt(eigenvalues[significant])
        u, s, _ = np.linalg.svd(rows, full_matrices=False)
        weights: Array = u @ ((average @ u) * self._sigma(s) / s)
        return weights

    def _sigma(self, s: Array) -> float:
        """Return the common length of the components, given the singular values in descending order."""
        if self.config.scale == "min":
            return float(s[-1])
        if self.config.scale == "median":
            return float(s[len(s) // 2])  # of an even number the lower one, as in the authors' code
        return float(np.sqrt((s**2).mean()))
