"""Three quadratic losses of a shared vector, with their gradients in numpy."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from taskscape.weighting import BalancingContext, Weighting

TASKS = ("semseg", "depth", "normals")
Array = NDArray[np.float64]


class Quadratics:
    """L_k = ½·s_k·‖B_k f - c_k‖² + ½·(u_k - 1)² + b_k, with features f = E θ.

    The first two conflict: they pull θ toward opposite points. ``flat`` names a task whose loss does not depend on θ.
    ``order`` permutes the losses of the tasks.
    """

    def __init__(
        self,
        scale: tuple[float, float, float] = (1.0, 1.0, 1.0),
        flat: str | None = None,
        order: tuple[int, int, int] = (0, 1, 2),
    ) -> None:
        rng = np.random.default_rng(4)
        self.encoder, self.heads = rng.normal(size=(5, 4)), rng.normal(size=(3, 6, 5))
        self.goals = rng.normal(size=(3, 6))
        self.heads[1] = self.heads[0] + 0.3 * rng.normal(size=(6, 5))
        self.goals[1] = -self.goals[0]
        self.heads, self.goals = self.heads[list(order)], self.goals[list(order)]
        self.scale = np.array(scale)
        if flat is not None:
            self.heads[TASKS.index(flat)] = 0
        self.theta = nn.Parameter(torch.tensor(0.1 * rng.normal(size=4)))
        starts = (0.5 * k for k in order)
        self.own = nn.ParameterList([nn.Parameter(torch.tensor(u, dtype=torch.float64)) for u in starts])

    def forward(self) -> tuple[dict[str, Tensor], BalancingContext]:
        f = torch.tensor(self.encoder) @ self.theta
        losses = {}
        for k, task in enumerate(TASKS):
            error = torch.tensor(self.heads[k]) @ f - torch.tensor(self.goals[k])
            losses[task] = 0.5 * self.scale[k] * (error @ error) + 0.5 * (self.own[k] - 1) ** 2
        return losses, BalancingContext.of(losses, shared=[self.theta], tasks=self.own, features=[f], last=[self.theta])

    def global_losses(self, *absent: str) -> dict[str, Tensor]:
        """Return the losses as passed to ``after_step``."""
        return {task: loss.detach() for task, loss in self.forward()[0].items() if task not in absent}

    def losses(self) -> Array:
        return np.array([loss.item() for loss in self.forward()[0].values()])

    def feature_gradients(self) -> Array:
        """Return the gradients with respect to the features, one row per task."""
        f = self.encoder @ self.theta.detach().numpy()
        return np.stack([s * b.T @ (b @ f - c) for s, b, c in zip(self.scale, self.heads, self.goals, strict=True)])

    def gradients(self) -> Array:
        """Return the gradients with respect to θ, one row per task."""
        return self.feature_gradients() @ self.encoder

    def own_gradients(self) -> Array:
        return np.array([u.item() - 1 for u in self.own])

    def step(self, weighting: Weighting, *absent: str) -> tuple[Array, Array]:
        """Run ``backward`` without the absent tasks, and return the gradient of θ and the weights."""
        for parameter in (self.theta, *self.own, *weighting.parameters()):
            parameter.grad = None
        losses, context = self.forward()
        losses = {task: loss for task, loss in losses.items() if task not in absent}
        weights = weighting.backward(losses, context._replace(global_losses=self.global_losses(*absent)))
        assert self.theta.grad is not None
        values = np.array([float(w) for w in weights.values()]) if weights is not None else np.array([])
        return self.theta.grad.numpy().copy(), values
