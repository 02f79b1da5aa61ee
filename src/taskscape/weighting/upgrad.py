"""UPGrad: the mean of all gradients, each projected onto the directions that harm no task."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from typing_extensions import override

from taskscape.serialization.ranges import Positive
from taskscape.weighting.gradients import GradientConfig
from taskscape.weighting.gramian import RIDGE, Array, Gramian, GramianWeighting
from taskscape.weighting.nonnegative import nonnegative_minimum
from taskscape.weighting.preferences import preferences


@dataclass(frozen=True)
class UPGradConfig(GradientConfig):
    """Unconflicting projection of gradients (Quinton and Rey, 2024, equation 4).

    The mean of the g_k, each projected onto the cone of all d with <g_j, d> ≥ 0 for every j. A task that is absent
    from a step is included in neither the cone nor the mean, so the step may harm it.
    """

    name: ClassVar[str] = "upgrad"
    link: ClassVar[str] = "https://arxiv.org/abs/2406.16232"

    preference: Mapping[str, Positive] = field(default_factory=dict)
    """Relative weight of each task in the mean; 1 for tasks not listed."""


class UPGrad(GramianWeighting, config=UPGradConfig):
    """UPGrad, solved exactly; torchjd adds a ten-thousandth of the longest gradient, which harms short ones.

    From each of two conflicting gradients, the component against the other is removed, as in PCGrad, and the mean is
    taken::

        >>> import torch
        >>> from taskscape.weighting import BalancingContext, UPGrad
        >>> x = torch.nn.Parameter(torch.zeros(2))
        >>> losses = {"a": 2 + x @ torch.tensor([1.0, 0.0]), "b": 2 + x @ torch.tensor([-1.0, -1.0])}
        >>> _ = UPGrad(["a", "b"]).backward(losses, BalancingContext.of(losses, shared=[x], tasks=[]))
        >>> x.grad
        tensor([ 0.2500, -0.7500])
    """

    config: UPGradConfig

    @override
    def weights(self, gramian: Gramian, tasks: Sequence[str]) -> Array:
        square = gramian.cosines + RIDGE * np.eye(len(tasks))
        # The projection of g is g + Σ v_j · g_j with the v ≥ 0 that minimizes its length: the dual problem.
        corrections = np.stack([nonnegative_minimum(square, -cosines) for cosines in gramian.cosines])
        coefficients = preferences(self.config.preference, tasks) * gramian.lengths
        return (coefficients + coefficients @ corrections) * gramian.inverse_lengths
