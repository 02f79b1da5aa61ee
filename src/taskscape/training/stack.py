"""Several training steps computed as one: their networks become one network whose weights have an extra axis."""

from collections.abc import Sequence
from functools import cache
from itertools import chain
from typing import Any

import torch
from torch import Tensor
from torch.profiler import record_function

from taskscape.batch import Batch, Target
from taskscape.models import Outputs
from taskscape.objectives.base import tasks_with_labels
from taskscape.training.captured import CapturedSteps
from taskscape.training.cuda_graphs import CudaGraphs
from taskscape.training.networks_as_one import Networks
from taskscape.training.precision import autocast
from taskscape.training.step import BACKWARD, FORWARD, TrainingStep
from taskscape.training.step_result import StepResult
from taskscape.weighting.base import global_losses


class Stack:
    """Takes the steps of several runs at once: ``stack(batch, numbers)``.

    The runs have networks of the same settings. Each keeps its own weights and statistics, which become views of
    tensors with an extra axis, (runs, …). ``torch.vmap`` computes all networks as one, forward and backward; losses,
    weighting, clipping and optimizer are separate for each run. Up to rounding, a run's step is the same as alone: the
    same operations, some summed in a different order. On a CPU, a number that is not finite stays in its run.

    If a weighting needs more than the gradient of one sum of the losses, the gradients of all tasks are computed first,
    with one backward pass per task, and the weighting gets losses whose gradients are already known. A step in which a
    run lacks labels of some task is taken run by run.

    The networks must not draw random numbers, be compiled or recompute activations, and no weighting may need the
    shared features. There must be only one process.
    """

    def __init__(self, steps: Sequence[TrainingStep]) -> None:
        self.steps = tuple(steps)
        self._networks = Networks([step.network for step in steps])
        self._by_task = any(not step.weighting.one_backward or step.weighting.retains_graph for step in steps)
        self.captured: CapturedSteps | None = None
        if all(step.captured is not None for step in steps):
            device = next(steps[0].network.parameters()).device
            self.captured = CapturedSteps(self.take, steps, CudaGraphs(device))

    def __call__(self, batch: Batch, numbers: Sequence[int]) -> list[StepResult]:
        """Train each run on its part of a batch, in which the images of each run are consecutive.

        ``numbers`` are the step numbers of the runs, counted from 0.
        """
        batches = self._batches(batch)
        targets = {
            f"{run} {task}": run_batch.targets[task]
            for run, run_batch in enumerate(batches)
            for task in self.steps[run].tasks
        }
        if len(tasks_with_labels(targets)) < len(targets):
            return [
                step(run_batch, number) for step, run_batch, number in zip(self.steps, batches, numbers, strict=True)
            ]
        for step, number in zip(self.steps, numbers, strict=True):
            step.prepare(number)
        names = list(self.steps[0].tasks)
        return self.take(batch, names) if self.captured is None else [*self.captured(batch, names, numbers)]

    def take(self, batch: Batch, names: Sequence[str]) -> list[StepResult]:
        """Train each run on its part of a batch, for the losses of all its tasks."""
        batches = self._batches(batch)
        outputs = self._forward(batch)
        losses = [
            step.losses(part, run_batch, names)
            for step, run_batch, part in zip(self.steps, batches, outputs.parts, strict=True)
        ]
        contexts = [
            step.context(run_losses, part)
            for step, run_losses, part in zip(self.steps, losses, outputs.parts, strict=True)
        ]
        with record_function(BACKWARD):
            if self._by_task:
                losses = self._with_gradients(losses, outputs)
            weights = [
                step.weighting.backward(run_losses, context)
                for step, run_losses, context in zip(self.steps, losses, contexts, strict=True)
            ]
            if not self._by_task:
                outputs.backward()
                self._networks.hand_out_gradients()
        updates = [step.update() for step in self.steps]
        losses_again = cache(lambda: self._losses(batch, batches))  # of all runs, after all have taken their step
        for run, (step, (_, is_taken)) in enumerate(zip(self.steps, updates, strict=True)):
            if is_taken:
                step.adjust(lambda run=run: losses_again()[run])  # type: ignore[misc]
        return [
            StepResult(context.global_losses, run_weights or {}, norm)
            for context, run_weights, (norm, _) in zip(contexts, weights, updates, strict=True)
        ]

    def _batches(self, batch: Batch) -> list[Batch]:
        return [_part(batch, run, len(self.steps)) for run in range(len(self.steps))]

    def _forward(self, batch: Batch) -> "_Outputs":
        images = batch.image.unflatten(0, (len(self.steps), -1))
        with record_function(FORWARD), autocast(images.device, self.steps[0].precision):
            return _Outputs(self._networks(images), len(self.steps))

    def _losses(self, batch: Batch, batches: Sequence[Batch]) -> list[dict[str, Tensor]]:
        """Compute the losses of each run again, for ``Weighting.after_step``."""
        parts = self._forward(batch).parts
        return [
            global_losses(step.losses(part, run_batch, step.tasks))
            for step, run_batch, part in zip(self.steps, batches, parts, strict=True)
        ]

    def _with_gradients(self, losses: Sequence[dict[str, Tensor]], outputs: "_Outputs") -> list[dict[str, Tensor]]:
        """Compute the gradients of each run's losses at its parameters, and return losses that carry them."""
        new_losses: list[dict[str, Tensor]] = [{} for _ in losses]
        for task in losses[0]:
            gradients = self._networks.gradients(*outputs.gradients([run_losses[task] for run_losses in losses]))
            for run, (run_losses, new_run_losses) in enumerate(zip(losses, new_losses, strict=True)):
                reached = [
                    (p, g[run]) for p, g in zip(self._networks.trained[run], gradients, strict=True) if g is not None
                ]
                new_run_losses[task] = _LossWithGradients.apply(
                    run_losses[task].detach(), [g for _, g in reached], *(p for p, _ in reached)
                )
        return new_losses


class _Outputs:
    """Outputs of several networks, split into detached parts at which the graph of each run's losses begins."""

    def __init__(self, outputs: Outputs, runs: int) -> None:
        self._maps = [x for x in _maps(outputs) if x.requires_grad]
        self.parts = [_of_run(outputs, run) for run in range(runs)]

    def _leaves(self, part: Outputs) -> list[Tensor]:
        return [x for x in _maps(part) if x.requires_grad]

    def backward(self) -> None:
        """Continue the backward passes of all runs from their parts."""
        maps, gradients = self._reached([[x.grad for x in self._leaves(part)] for part in self.parts])
        torch.autograd.backward(maps, gradients)

    def gradients(self, losses: Sequence[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        """Return the maps on which one loss per run depends, and the gradients there; keep the graph."""
        return self._reached(
            [
                torch.autograd.grad(loss, self._leaves(part), retain_graph=True, allow_unused=True)
                for loss, part in zip(losses, self.parts, strict=True)
            ]
        )

    def _reached(self, by_run: Sequence[Sequence[Tensor | None]]) -> tuple[list[Tensor], list[Tensor]]:
        reached = []
        for x, gradients in zip(self._maps, zip(*by_run, strict=True), strict=True):
            if any(gradient is not None for gradient in gradients):
                parts = [torch.zeros_like(x[0]) if gradient is None else gradient for gradient in gradients]
                reached.append((x, torch.stack(parts)))
        return [x for x, _ in reached], [gradient for _, gradient in reached]


class _LossWithGradients(torch.autograd.Function):
    """A loss whose gradients at some parameters are already known."""

    @staticmethod
    def forward(ctx: Any, value: Tensor, gradients: Sequence[Tensor], *parameters: Tensor) -> Tensor:
        ctx.gradients = gradients
        return value.clone()

    @staticmethod
    def backward(ctx: Any, *outer: Tensor) -> Any:
        return None, None, *(outer[0] * gradient for gradient in ctx.gradients)


def _maps(outputs: Outputs) -> list[Tensor]:
    return list(chain(outputs.final.values(), *(maps.values() for maps in outputs.auxiliary.values())))


def _of_run(outputs: Outputs, run: int) -> Outputs:
    def part(x: Tensor) -> Tensor:
        return x[run].detach().requires_grad_(x.requires_grad)

    final = {name: part(x) for name, x in outputs.final.items()}
    auxiliary = {role: {name: part(x) for name, x in maps.items()} for role, maps in outputs.auxiliary.items()}
    return Outputs(final, auxiliary, ())


def _part(batch: Batch, run: int, runs: int) -> Batch:
    count = len(batch.image) // runs
    rows = slice(run * count, (run + 1) * count)
    targets = {name: Target(value[rows], valid[rows]) for name, (value, valid) in batch.targets.items()}
    return Batch(batch.image[rows], targets, batch.indices[rows])
