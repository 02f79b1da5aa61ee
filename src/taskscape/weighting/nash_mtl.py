"""Nash-MTL: the direction that the tasks would agree on when they bargain."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from taskscape.weighting.aggregation import needs
from taskscape.weighting.base import Weighting, WeightingConfig
from taskscape.weighting.gradients import GramianGradients, Mode


@dataclass(frozen=True)
class NashMTLConfig(WeightingConfig):
    """Multi-task learning as a bargaining game (Navon et al., ICML 2022, algorithm 1).

    Σ w_k · g_k with Gᵀ G w = 1 / w for the matrix G of gradients, brought to Frobenius norm one as in the authors'
    code. Its direction does not change with the scale of any loss. Solved by cvxpy (Apache 2.0) with ECOS (GPL 3):
    ``pip install "taskscape[nash-mtl]"``.
    """

    name: ClassVar[str] = "nash-mtl"

    mode: Mode = "parameters"
    """Gradients with respect to all shared parameters, or to the features at the cut."""
    max_norm: float = 1.0
    """Longest combined gradient; 0 for no limit."""
    every: int = 1
    """Solve in every so many steps, and keep the weights in between."""
    iterations: int = 20
    """Most iterations of the solver."""

    def build(self, tasks: Sequence[str], seed: int = 0) -> Weighting:
        """Build it. Raises ``ValueError`` where a setting is out of range or the solver is missing."""
        if not self.max_norm >= 0 or self.every < 1 or self.iterations < 1:
            raise ValueError(
                f"weighting.max_norm is {self.max_norm}, weighting.every {self.every} and weighting.iterations "
                f"{self.iterations}; the first must not be negative, the others must be positive"
            )
        with needs(self.name, "nash-mtl"):
            return NashMTL(tasks, self)


class NashMTL(GramianGradients):
    """torchjd's solver, with its memory held here: it is not in torchjd's state dict, and is per number of tasks."""

    def __init__(self, tasks: Sequence[str], options: NashMTLConfig) -> None:
        from torchjd.aggregation import NashMTL as Solver

        super().__init__(tasks, options.mode)
        self.options = options
        self.solvers = {k: Solver(k, max_norm=0.0, optim_niter=options.iterations) for k in range(2, len(tasks) + 1)}
        self.previous = dict.fromkeys(tasks, 1.0)
        self.step = 0

    def weights(self, gramian: Tensor, tasks: Sequence[str]) -> Tensor:
        if self.step % self.options.every == 0:
            self._solve(gramian, tasks)
        self.step += 1
        weights = gramian.new_tensor([self.previous[task] for task in tasks])
        norm = (weights @ gramian @ weights).clamp_min(0).sqrt()
        too_long = 0 < self.options.max_norm < norm
        return weights * (self.options.max_norm / norm) if too_long else weights

    def _solve(self, gramian: Tensor, tasks: Sequence[str]) -> None:
        # A task without a gradient has nothing to bargain for, and one that is alone has nobody to bargain with.
        table = [k for k, square in enumerate(gramian.diagonal().tolist()) if square > 0]
        if len(table) < 2:
            self.previous.update({tasks[k]: 1.0 for k in table})
            return
        solver = self.solvers[len(table)].weighting
        solver.prvs_alpha = np.array([self.previous[tasks[k]] for k in table])
        # The solver wants a matrix but looks at inner products alone, so a root of them does.
        values, vectors = torch.linalg.eigh(gramian[table][:, table].double())
        solver(vectors * values.clamp_min(0).sqrt())
        self.previous.update(zip([tasks[k] for k in table], solver.prvs_alpha.tolist(), strict=True))

    def get_extra_state(self) -> dict[str, Any]:
        """Return the weights to start from and the step."""
        return {"previous": dict(self.previous), "step": self.step}

    def set_extra_state(self, state: dict[str, Any]) -> None:
        """Continue from there."""
        self.previous, self.step = dict(state["previous"]), state["step"]
