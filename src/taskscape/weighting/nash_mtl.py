"""Nash-MTL: the direction that is the tasks' Nash bargaining solution."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from typing_extensions import override

from taskscape.serialization.ranges import Count, NonNegative
from taskscape.weighting.gradients import GradientConfig
from taskscape.weighting.gramian import Array, Gramian, GramianWeighting

_LARGEST_WEIGHT = 1e5
"""Upper bound of the weights for gradients of length one. Larger ones would amplify the float32 rounding errors of
gradients into a direction."""
_ITERATIONS = 50
"""Newton steps: each at most doubles a weight, and near the solution each doubles the number of correct digits."""


@dataclass(frozen=True)
class NashMTLConfig(GradientConfig):
    """Multi-task learning as a bargaining game (Navon et al., ICML 2022, claim 3.1).

    d = Σ w_k · g_k with w_k · <g_k, d> = 1 for every task. Its direction does not depend on the scale of any loss. If
    there is no such d, because some positive combination of the gradients is zero and no direction improves every task,
    the shared layers are not updated. A task that is absent from a step does not bargain, and a task that is alone,
    because the others are absent or have no gradient, keeps its gradient, up to ``max_norm``. Weights are kept
    (``every``) only while the same tasks are present.
    """

    name: ClassVar[str] = "nash-mtl"
    link: ClassVar[str] = "https://arxiv.org/abs/2202.01017"

    max_norm: NonNegative = 1.0
    """Largest norm of the combined gradient; 0 for no limit."""
    every: Count = 1
    """Number of steps between solutions; in between, the weights are kept while the same tasks are present."""


class NashMTL(GramianWeighting, config=NashMTLConfig):
    """Nash-MTL, solved exactly; torchjd and the authors approximate the same weights by a sequence of convex programs.

    Two gradients of different lengths get weights that give them equal lengths::

        >>> import torch
        >>> from taskscape.weighting import BalancingContext, NashMTL
        >>> x = torch.nn.Parameter(torch.zeros(2))
        >>> losses = {"a": 2 + x @ torch.tensor([1.0, 0.0]), "b": 2 + x @ torch.tensor([0.0, 4.0])}
        >>> nash = NashMTL(["a", "b"], max_norm=0.0)
        >>> nash.backward(losses, BalancingContext.of(losses, shared=[x], tasks=[]))
        {'a': tensor(1.), 'b': tensor(0.2500)}
    """

    config: NashMTLConfig

    def __init__(
        self, tasks: Sequence[str], config: NashMTLConfig | None = None, *, seed: int = 0, **options: Any
    ) -> None:
        super().__init__(tasks, config, **options)
        self.previous: dict[str, float] = {}
        self.step = 0

    @override
    def weights(self, gramian: Gramian, tasks: Sequence[str]) -> Array:
        # Tasks with a zero gradient do not take part.
        participants = np.flatnonzero(gramian.lengths)
        names = [tasks[int(k)] for k in participants]
        if self.step % self.config.every == 0 or self.previous.keys() != set(names):
            solution = bargain(gramian.lengths[participants], gramian.cosines[participants][:, participants])
            self.previous = dict(zip(names, solution.tolist(), strict=True))
        self.step += 1
        weights = np.array([self.previous.get(task, 0.0) for task in tasks])
        return gramian.clipped(weights, self.config.max_norm)

    @override
    def get_extra_state(self) -> dict[str, Any]:
        """Return the weights of the last solution and the number of steps."""
        return {"previous": dict(self.previous), "step": self.step}

    @override
    def set_extra_state(self, state: dict[str, Any]) -> None:
        self.previous, self.step = dict(state["previous"]), state["step"]


def bargain(lengths: Array, cosines: Array) -> Array:
    """Return the weights, (tasks,), of gradients with these lengths, (tasks,), and cosines, (tasks, tasks)."""
    if len(lengths) < 2:
        return np.ones(len(lengths))
    solution = bargaining_solution(cosines)
    return np.zeros(len(lengths)) if solution is None else solution / lengths


def bargaining_solution(gramian: Array) -> Array | None:
    """Return the weights w > 0 with w_k · (G w)_k = 1, (tasks,), for the Gramian G of gradients of length one.

    They minimize the convex function ½ · wᵀ G w - Σ log w_k, by Newton's method. Returns None if there is no minimum,
    because some combination of the gradients with positive weights is zero.
    """
    w: Array = np.ones(len(gramian))
    for _ in range(_ITERATIONS):
        gradient = gramian @ w - 1 / w
        step = np.linalg.solve(gramian + np.diag(w**-2), gradient)
        decrement = np.sqrt(np.maximum(gradient @ step, 0))
        w = w - step / (1 + decrement)  # damped: w stays positive, and the function decreases
        if w.max() > _LARGEST_WEIGHT:
            break
        if decrement < 1e-6:
            return w
    return None
