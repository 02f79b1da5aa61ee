"""Base class of the methods whose weights are computed from the gradients' lengths and angles."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import NamedTuple, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from typing_extensions import override

from taskscape.weighting.gradients import GradientWeighting
from taskscape.weighting.task_gradients import Combined, TaskGradients

Array = NDArray[np.float64]

SAME = 1e-12
"""Eigenvalues of the cosines below this, relative to the largest, count as zero. Rounding to float32 rotates a gradient
by about 1e-7, which gives a parallel pair an eigenvalue of about 1e-14."""

RIDGE = 1e-13
"""Added to the square of a gradient of length one, so that linearly dependent gradients share a weight."""

CONTRADICTION = 1e-3
"""Relative error of a solution above which the equations contradict each other; rounding errors are smaller."""


class Gramian(NamedTuple):
    """The inner products of the tasks' gradients, as lengths and cosines to keep the precision of short gradients."""

    lengths: Array
    """The length of each gradient, (tasks,)."""
    cosines: Array
    """The cosines between gradients, (tasks, tasks); rows and columns of gradients of length zero are zero."""

    @classmethod
    def of(cls, products: Tensor) -> Self:
        """Create it from the products of all pairs, (tasks, tasks), in float64 on the CPU."""
        values = products.numpy()
        lengths = np.sqrt(np.diagonal(values))
        inverse = _inverse(lengths)
        return cls(lengths, inverse[:, None] * values * inverse)

    @property
    def inverse_lengths(self) -> Array:
        """The values 1 / ‖g_k‖, (tasks,), or 0 for a gradient of zero."""
        return _inverse(self.lengths)

    def solve(self, values: Array) -> Array:
        """Solve C · v = values for the cosines C; return v = C⁺ · values, (tasks,), or zero if there is no solution.

        Linearly dependent gradients share their part of the solution, or contradict each other. Zero is the limit of
        v · g as independent gradients approach a contradiction.
        """
        eigenvalues, vectors = np.linalg.eigh(self.cosines)
        significant = eigenvalues > SAME * max(eigenvalues[-1], SAME)
        solution: Array = vectors[:, significant] @ ((values @ vectors[:, significant]) / eigenvalues[significant])
        error = np.abs(self.cosines @ solution - values).max()
        return solution if error <= CONTRADICTION * np.abs(values).max() else np.zeros_like(values)

    def norm(self, parts: Array) -> float:
        """Return ‖Σ v_k · g_k / ‖g_k‖‖."""
        return float(np.sqrt(np.maximum(parts @ self.cosines @ parts, 0)))

    def clipped(self, weights: Array, max_norm: float) -> Array:
        """Return the weights scaled down so that ‖Σ w_k · g_k‖ is at most ``max_norm``; 0 for no limit."""
        norm = self.norm(weights * self.lengths)
        return weights * (max_norm / norm) if 0 < max_norm < norm else weights


class GramianWeighting(GradientWeighting):
    """A method that combines gradients with weights that are a function of their Gramian.

    The products are summed in float64, so the weights are accurate for gradients of any size.
    """

    @abstractmethod
    def weights(self, gramian: Gramian, tasks: Sequence[str]) -> Array:
        """Return the weight of each of these tasks, (tasks,)."""

    @override
    def combine(self, gradients: TaskGradients, tasks: Sequence[str]) -> Combined:
        def weights_of(products: Tensor) -> Tensor:
            if not products.isfinite().all():  # the step detects and reports nonfinite gradients
                return torch.full((len(tasks),), float("nan"), dtype=torch.float64)
            return torch.from_numpy(self.weights(Gramian.of(products), tasks))

        return gradients.weighted_sum(weights_of)


def _inverse(lengths: Array) -> Array:
    return np.divide(1.0, lengths, out=np.zeros_like(lengths), where=lengths > 0)
