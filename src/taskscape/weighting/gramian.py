"""Building block of the methods whose weights follow from the gradients' lengths and angles."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import NamedTuple, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from typing_extensions import override

from taskscape.weighting.gradients import Combined, GradientWeighting, TaskGradients

Array = NDArray[np.float64]

SAME = 1e-12
"""Eigenvalues of the cosines, relative to the largest, that count as zero. Rounding to float32 turns a gradient by
about 1e-7, and a pair that was parallel then has an eigenvalue of about 1e-14."""

RIDGE = 1e-13
"""Added to the square of a gradient of length one, so that gradients that depend on each other share a weight."""

CONTRADICTION = 1e-3
"""Error of a solution, relative to what was to be solved for, above which there is none: rounding makes less of it."""


class Gramian(NamedTuple):
    """The inner products of the tasks' gradients, as lengths and cosines: so no length drowns another."""

    lengths: Array
    """(tasks,)"""
    cosines: Array
    """(tasks, tasks); rows and columns of gradients of length zero are zero."""

    @classmethod
    def of(cls, products: Tensor) -> Self:
        """Take the products of all pairs, (tasks, tasks), in float64 on the CPU."""
        values = products.numpy()
        lengths = np.sqrt(np.diagonal(values))
        inverse = _inverse(lengths)
        return cls(lengths, inverse[:, None] * values * inverse)

    @property
    def inverse_lengths(self) -> Array:
        """1 / ‖g_k‖, (tasks,), and 0 where the gradient is zero."""
        return _inverse(self.lengths)

    def solve(self, values: Array) -> Array:
        """Return the v with C · v = values for the cosines C, (tasks,): C⁺ · values, or zero where there is no such v.

        Gradients that depend on each other share what is theirs, or contradict each other. Zero is what v · g comes to
        as independent gradients approach a contradiction.
        """
        eigenvalues, vectors = np.linalg.eigh(self.cosines)
        kept = eigenvalues > SAME * max(eigenvalues[-1], SAME)
        solution: Array = vectors[:, kept] @ ((values @ vectors[:, kept]) / eigenvalues[kept])
        error = np.abs(self.cosines @ solution - values).max()
        return solution if error <= CONTRADICTION * np.abs(values).max() else np.zeros_like(values)

    def norm(self, parts: Array) -> float:
        """Return ‖Σ v_k · g_k / ‖g_k‖‖."""
        return float(np.sqrt(np.maximum(parts @ self.cosines @ parts, 0)))


class GramianWeighting(GradientWeighting):
    """A method that combines gradients by weights that are a function of their Gramian.

    The products are summed in float64, so that the weights are right whatever the sizes of the gradients.
    """

    @abstractmethod
    def weights(self, gramian: Gramian, tasks: Sequence[str]) -> Array:
        """Return the weight of each of these tasks, (tasks,)."""

    @override
    def combine(self, gradients: TaskGradients, tasks: Sequence[str]) -> Combined:
        def weights_of(products: Tensor) -> Tensor:
            if not products.isfinite().all():  # the step says so: it sees that the gradient is not finite
                return torch.full((len(tasks),), float("nan"), dtype=torch.float64)
            return torch.from_numpy(self.weights(Gramian.of(products), tasks))

        return gradients.weighted_sum(weights_of)


def _inverse(lengths: Array) -> Array:
    return np.divide(1.0, lengths, out=np.zeros_like(lengths), where=lengths > 0)
