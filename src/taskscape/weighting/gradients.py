"""Base class of the methods that combine the tasks' gradients at the shared layers."""

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn
from typing_extensions import override

from taskscape.distributed import all_reduce_coalesced_, world_size
from taskscape.weighting.base import BalancingContext, Losses, Weighting, WeightingConfig
from taskscape.weighting.task_gradients import Combined, TaskGradients

Mode = Literal["parameters", "features"]
"""The variables of differentiation: all shared parameters, or the shared features."""


@dataclass(frozen=True)
class GradientConfig(WeightingConfig):
    """The settings common to all methods that combine gradients."""

    mode: Mode = "parameters"
    """Combine gradients with respect to all shared parameters, or to the shared features if the network has them, which
    needs one backward pass through the shared layers instead of one per task."""


class GradientWeighting(Weighting):
    """Combines one gradient per task at the shared layers into one; the task-specific layers get the plain sum.

    With mode ``parameters``, every task's gradient is propagated through the shared layers. With ``features``, it stops
    at the shared features, and only the combined gradient is propagated through the shared layers. This is cheaper, and
    a different method, since the gradients of different images and positions are concatenated instead of summed.
    """

    one_backward = False
    retains_graph = True
    _checked_tasks: frozenset[str] = frozenset()

    @property
    def mode(self) -> Mode:
        """The variables of differentiation: the parameters for methods whose settings have no mode."""
        mode: Mode = getattr(self.config, "mode", "parameters")
        return mode

    @override
    def check(self, *, shared_parameters: bool, shared_features: bool, compiled: bool) -> None:
        if not shared_parameters:
            raise ValueError(
                "this weighting combines the tasks' gradients at the shared parameters, but this network has no "
                "shared parameters that are trained; choose another network, or a weighting such as dwa or famo"
            )
        if self.mode == "features" and not shared_features:
            raise ValueError(
                "weighting.mode is features, but this network has no shared features that are computed by trained "
                "layers; choose --weighting.mode parameters"
            )
        if self.mode == "features" and compiled:
            raise ValueError(
                "weighting.mode is features, but a compiled network gives no gradient at its inner features; "
                "choose --weighting.mode parameters, or do not compile"
            )

    @abstractmethod
    def combine(self, gradients: TaskGradients, tasks: Sequence[str]) -> Combined:
        """Return ``gradients.weighted_sum(f)`` or ``gradients.aggregate(f)`` for a function f of this method.

        ``tasks`` are the names of the rows.
        """

    @override
    def backward(self, losses: Losses, context: BalancingContext) -> dict[str, Tensor] | None:
        """Add the gradients of this step to ``.grad`` and return the weights.

        Raises ``ValueError`` in the first step of each task if ``context`` lacks parameters on which the losses depend,
        since they would never be trained, if one of its features was computed from another, and for layers recomputed
        by ``torch.utils.checkpoint`` with ``use_reentrant=True``.
        """
        self.check(shared_parameters=bool(context.parameters), shared_features=bool(context.features), compiled=False)
        self.check_names(losses)
        if not self._checked_tasks.issuperset(losses):
            self._check_complete(losses, context)
            self._checked_tasks |= losses.keys()
        if self.mode == "parameters":
            weights = self._combine_at_parameters(losses, context)
        else:
            weights = self._combine_at_features(losses, context)
        return None if weights is None else dict(zip(losses, weights, strict=True))

    def _check_complete(self, losses: Losses, context: BalancingContext) -> None:
        shared, listed = set(context.parameters), set(context.task_parameters)
        beyond = () if self.mode == "parameters" else context.features
        require_visible(losses.values(), beyond)
        reached = reached_parameters(losses.values(), beyond)
        if self.mode == "parameters":
            listed |= shared
        else:  # a backward pass from the features reaches all of their parameters
            if _depend_on_each_other(context.features):
                raise ValueError(
                    "one of the shared features is computed from another, so a part of its gradient would count twice: "
                    "name views and let the heads read these, features = [x.view_as(x) for x in features], or take "
                    "mode='parameters'"
                )
        unlisted = [p for p in reached if p not in listed]
        if not unlisted:
            return
        shapes = ", ".join(str(tuple(p.shape)) for p in unlisted[:3]) + (", …" if len(unlisted) > 3 else "")
        problem = f"{len(unlisted)} trained parameters ({shapes}) would get no gradient"
        if not shared.isdisjoint(unlisted):
            raise ValueError(
                f"{problem}: losses reach shared parameters past the shared features; name all features between shared "
                "and task-specific layers, or take mode='parameters'"
            )
        raise ValueError(
            f"{problem}: the losses depend on them, and they are in neither list of the context; name them with "
            "BalancingContext.of(losses, shared=…, tasks=…), such as tasks=heads.parameters(), or freeze them"
        )

    def _combine_at_parameters(self, losses: Losses, context: BalancingContext) -> Tensor | None:
        rows = _gradient_rows(losses, context.parameters, context.task_parameters)
        all_reduce_coalesced_([rows])
        sizes = [parameter.numel() for parameter in context.parameters]
        combined = self.combine(TaskGradients(rows, sizes, split=False), tuple(losses))
        # Every process has the complete gradient, and the training loop sums over the processes.
        local_part = combined.gradient / world_size()
        for parameter, gradient in zip(context.parameters, _split_like(local_part, context.parameters), strict=True):
            parameter.grad = gradient if parameter.grad is None else parameter.grad + gradient
        return combined.weights

    def _combine_at_features(self, losses: Losses, context: BalancingContext) -> Tensor | None:
        rows = _gradient_rows(losses, context.features, context.task_parameters)
        sizes = [feature.numel() for feature in context.features]
        combined = self.combine(TaskGradients(rows, sizes, split=True), tuple(losses))
        torch.autograd.backward(context.features, _split_like(combined.gradient, context.features))
        return combined.weights


def global_gradients(losses: Losses, parameters: Sequence[nn.Parameter]) -> Tensor:
    """Return the gradients of the global losses, one row per task, (tasks, columns); keep the graph and ``.grad``."""
    rows = _gradient_rows(losses, parameters, retain_graph=True)
    all_reduce_coalesced_([rows])
    return rows


def reached_parameters(losses: Iterable[Tensor], beyond: Iterable[Tensor] = ()) -> list[nn.Parameter]:
    """Return the trained parameters on which losses depend, except through the tensors in ``beyond``."""
    leaves = (getattr(node, "variable", None) for node in _graph([x.grad_fn for x in losses], beyond))
    return list(dict.fromkeys(leaf for leaf in leaves if isinstance(leaf, nn.Parameter)))


def require_visible(losses: Iterable[Tensor], beyond: Iterable[Tensor] = ()) -> None:
    """Raise ``ValueError`` for layers that are called again in a backward pass, so that the graph lacks their weights.

    Layers before the tensors in ``beyond`` may be.
    """
    if any(node.name() == "CheckpointFunctionBackward" for node in _graph([x.grad_fn for x in losses], beyond)):
        raise ValueError(
            "torch.utils.checkpoint with use_reentrant=True hides the gradients of single losses at the layers that it "
            "computes again: pass use_reentrant=False"
        )


def require_reached(losses: Losses, parameters: Sequence[nn.Parameter], what: str) -> None:
    """Raise ``ValueError`` for a loss that depends on none of these parameters.

    ``what`` completes the sentence "the loss of … does not depend on" with their name and the remedy.
    """
    for task, loss in losses.items():
        if set(parameters).isdisjoint(reached_parameters([loss])):
            require_visible([loss])
            raise ValueError(f"the loss of {task} does not depend on {what}")


def _depend_on_each_other(tensors: Sequence[Tensor]) -> bool:
    """Return whether one of these tensors was computed from another."""
    nodes = {x.grad_fn for x in tensors if x.grad_fn is not None}
    return not nodes.isdisjoint(_graph([parent for node in nodes for parent, _ in node.next_functions]))


def _graph(nodes: Iterable[Any], beyond: Iterable[Tensor] = ()) -> Iterator[Any]:
    """Yield these nodes of the graph of operations and all nodes before them, without those of and before ``beyond``.

    A node of a leaf has the attribute ``variable``.
    """
    visited, pending = {None, *(x.grad_fn for x in beyond)}, list(nodes)
    while pending:
        node = pending.pop()
        if node not in visited:
            visited.add(node)
            yield node
            pending += [parent for parent, _ in node.next_functions]


def _gradient_rows(
    losses: Losses,
    variables: Sequence[Tensor],
    task_parameters: Sequence[nn.Parameter] = (),
    *,
    retain_graph: bool = False,
) -> Tensor:
    """Return each loss's gradient with respect to ``variables`` as a row.

    The gradient with respect to ``task_parameters`` is added to their ``.grad``.
    """
    sizes = [variable.numel() for variable in variables]
    dtype = torch.promote_types(variables[0].dtype, torch.float32)  # features may be in bfloat16
    rows = variables[0].new_zeros(len(losses), sum(sizes), dtype=dtype)
    for k, loss in enumerate(losses.values()):
        retain = retain_graph or k + 1 < len(losses)
        gradients = torch.autograd.grad(loss, (*variables, *task_parameters), retain_graph=retain, allow_unused=True)
        for part, gradient in zip(rows[k].split(sizes), gradients[: len(variables)], strict=True):
            if gradient is not None:  # None for a feature that the task does not use
                part.copy_(gradient.flatten())
        for parameter, gradient in zip(task_parameters, gradients[len(variables) :], strict=True):
            if gradient is not None:
                accumulated = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
                parameter.grad = accumulated + gradient
    return rows


def _split_like(vector: Tensor, variables: Sequence[Tensor]) -> list[Tensor]:
    """Split a vector into parts with the shapes, dtypes and memory formats of ``variables``."""
    parts = vector.split([like.numel() for like in variables])
    return [torch.empty_like(like).copy_(part.view_as(like)) for like, part in zip(variables, parts, strict=True)]
