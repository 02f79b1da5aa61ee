"""GradVac: conflicting gradients are turned toward each other, as far as they have agreed before."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor
from typing_extensions import override

from taskscape.serialization.ranges import Fraction
from taskscape.weighting.gradients import GradientConfig
from taskscape.weighting.gramian import Array, Gramian, GramianWeighting
from taskscape.weighting.step_generator import StepGenerator

_LARGEST_TARGET = 1 - 1e-6
"""No gradient is turned nearer to another one: a cosine of 1 would take an infinite multiple of it."""
_ZERO = 1e-6
"""Relative length below which an altered gradient counts as zero: the gradients that it is made of cancel, up to their
rounding to float32."""


@dataclass(frozen=True)
class GradVacConfig(GradientConfig):
    """Gradient vaccine (Wang et al., ICLR 2021, algorithm 1), with one cosine for all shared layers.

    Each gradient is altered by the others, one after another in random order: if its cosine φ with g_j is below the
    target ψ of the pair, a multiple of g_j is added that makes it ψ,
    g_i ← g_i + ‖g_i‖ · (ψ · √(1-φ²) - φ · √(1-ψ²)) / (‖g_j‖ · √(1-ψ²)) · g_j. Then ψ ← (1-β) · ψ + β · φ. The altered
    gradients are summed. Targets begin at zero, so the first step is that of PCGrad.

    A task that is absent from a step has no gradient, so it alters none, and its targets stay. So do those of a task
    whose gradient is zero. A task that is alone keeps its gradient.
    """

    name: ClassVar[str] = "gradvac"
    link: ClassVar[str] = "https://arxiv.org/abs/2010.05874"

    beta: Fraction = 0.5
    """β: the part of a step in the mean of the cosines over the steps, as in LibMTL; 0 for PCGrad."""


class GradVac(GramianWeighting, config=GradVacConfig):
    """GradVac, in float64. Does not use torchjd's version, which keeps its targets outside its state dict.

    Two losses that agree in the first step and not in the second one. PCGrad would add nothing to their gradients::

        >>> import torch
        >>> from taskscape.weighting import BalancingContext, GradVac
        >>> balance = GradVac(["a", "b"])
        >>> for other in ([1.0, 1.0], [0.0, 1.0]):
        ...     x = torch.nn.Parameter(torch.zeros(2))
        ...     losses = {"a": 2 + x @ torch.tensor([1.0, 0.0]), "b": 2 + x @ torch.tensor(other)}
        ...     balance.backward(losses, BalancingContext.of(losses, shared=[x], tasks=[]))
        {'a': tensor(1.), 'b': tensor(1.)}
        {'a': tensor(1.3780), 'b': tensor(1.3780)}
    """

    config: GradVacConfig
    targets: Tensor
    """The targets, (tasks, tasks): the mean cosine of each altered gradient with each gradient."""

    def __init__(
        self, tasks: Sequence[str], config: GradVacConfig | None = None, *, seed: int = 0, **options: Any
    ) -> None:
        super().__init__(tasks, config, **options)
        self.generator = StepGenerator(seed)
        self.register_buffer("targets", torch.zeros(len(tasks), len(tasks), dtype=torch.float64))

    @override
    def weights(self, gramian: Gramian, tasks: Sequence[str]) -> Array:
        numbers = [self.tasks.index(task) for task in tasks]
        present = np.ix_(numbers, numbers)
        all_targets = self.targets.to("cpu", torch.float64, copy=True).numpy()
        targets = all_targets[present]
        with self.generator.fork(torch.device("cpu")):
            altered = np.stack([self._alter(k, gramian, targets[k]) for k in range(len(tasks))])
        all_targets[present] = targets
        self.targets.copy_(torch.from_numpy(all_targets))
        weights: Array = gramian.lengths @ altered * gramian.inverse_lengths
        return weights

    def _alter(self, k: int, gramian: Gramian, targets: Array) -> Array:
        """Return v, (tasks,), of the altered gradient ‖g_k‖ · Σ v_j · g_j / ‖g_j‖; update its targets in place."""
        v = np.zeros(len(targets))
        v[k] = 1.0
        others = np.delete(np.arange(len(targets)), k)
        for j in others[torch.randperm(len(others)).numpy()]:
            norm = gramian.norm(v)
            if norm < _ZERO or gramian.lengths[j] == 0:
                continue
            cosine = float(np.clip(gramian.cosines[j] @ v / norm, -1, 1))
            target = min(targets[j], _LARGEST_TARGET)
            if cosine < target:
                v[j] += norm * (target * np.sqrt((1 - cosine**2) / (1 - target**2)) - cosine)
            targets[j] += self.config.beta * (cosine - targets[j])
        return v
