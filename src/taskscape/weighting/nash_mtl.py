"""Nash-MTL: the direction that the tasks would agree on when they bargain."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor
from typing_extensions import override

from taskscape.weighting.gradients import Combined, GradientConfig, GradientWeighting, TaskGradients

_ITERATIONS = 30
"""Newton steps, each of which at most doubles a weight: more would only lead to weights that amplify rounding."""


@dataclass(frozen=True)
class NashMTLConfig(GradientConfig):
    """Multi-task learning as a bargaining game (Navon et al., ICML 2022, claim 3.1).

    d = Σ w_k · g_k with w_k · <g_k, d> = 1 for every task. Its direction does not change with the scale of any loss.
    Where there is no such d, as some sum of the gradients is zero, the weights stay as they were.
    """

    name: ClassVar[str] = "nash-mtl"
    link: ClassVar[str] = "https://arxiv.org/abs/2202.01017"

    max_norm: float = 1.0
    """Longest combined gradient; 0 for no limit."""
    every: int = 1
    """Solve in every so many steps, and keep the weights in between."""

    @override
    def check(self, tasks: Sequence[str]) -> None:
        super().check(tasks)
        if not self.max_norm >= 0 or self.every < 1:
            raise ValueError(
                f"weighting.max_norm is {self.max_norm} and weighting.every {self.every}; the first must not be "
                "negative, the second must be positive"
            )


class NashMTL(GradientWeighting, config=NashMTLConfig):
    """Nash-MTL, solved exactly: torchjd and the authors solve a sequence of convex programs towards the same weights.

    Two gradients of different length get weights that make them equally long::

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
        self.previous = dict.fromkeys(self.tasks, 1.0)
        self.step = 0

    @override
    def combine(self, gradients: TaskGradients, tasks: Sequence[str]) -> Combined:
        return gradients.weighted_sum(lambda gramian: self._weights(gramian, tasks))

    def _weights(self, gramian: Tensor, tasks: Sequence[str]) -> Tensor:
        if self.step % self.config.every == 0:
            self._bargain(gramian, tasks)
        self.step += 1
        weights = gramian.new_tensor([self.previous[task] for task in tasks])
        norm = (weights @ gramian @ weights).clamp_min(0).sqrt()
        too_long = 0 < self.config.max_norm < norm
        return weights * (self.config.max_norm / norm) if too_long else weights

    def _bargain(self, gramian: Tensor, tasks: Sequence[str]) -> None:
        # A task without a gradient has nothing to bargain for, and one that is alone has nobody to bargain with.
        table = [k for k, square in enumerate(gramian.diagonal().tolist()) if square > 0]
        among = gramian[table][:, table].double()
        weights = bargaining_solution(among) if len(table) > 1 else torch.ones(len(table))
        if weights is not None:
            self.previous.update(zip([tasks[k] for k in table], weights.tolist(), strict=True))

    @override
    def get_extra_state(self) -> dict[str, Any]:
        """Return the weights of the last step and the number of steps."""
        return {"previous": dict(self.previous), "step": self.step}

    @override
    def set_extra_state(self, state: dict[str, Any]) -> None:
        self.previous, self.step = dict(state["previous"]), state["step"]


def bargaining_solution(gramian: Tensor) -> Tensor | None:
    """Return the weights w > 0 with w_k · (G w)_k = 1, (tasks,), for a Gramian G, (tasks, tasks) in float64.

    They are where ½ · wᵀ G w - Σ log w_k, which is convex, has its minimum; Newton's method finds it. None where there
    is no minimum: some combination of the gradients with positive weights is zero.
    """
    # Weights for gradients of length one first: the method does not depend on the lengths, but its rounding would.
    lengths = gramian.diagonal().sqrt()
    cosines = gramian / torch.outer(lengths, lengths)
    w = torch.ones_like(lengths)
    for _ in range(_ITERATIONS):
        gradient = cosines @ w - 1 / w
        step = torch.linalg.solve_ex(cosines + torch.diag(w**-2), gradient).result
        decrement = (gradient @ step).sqrt()
        w = w - step / (1 + decrement)  # damped: w stays positive, and the function decreases
        if decrement < 1e-6:
            weights: Tensor = w / lengths
            return weights
    return None
