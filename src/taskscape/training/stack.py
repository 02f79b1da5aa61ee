"""Several training steps computed as one: their networks become one network whose weights have an extra axis."""

from collections.abc import Callable, Sequence
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn
from torch.profiler import record_function

from taskscape.batch import Batch, Target
from taskscape.models import Network, Outputs
from taskscape.objectives.base import tasks_with_labels
from taskscape.training.as_alone import AsAlone
from taskscape.training.captured import CapturedSteps
from taskscape.training.cuda_graphs import CudaGraphs
from taskscape.training.precision import autocast
from taskscape.training.step import PARTS, TrainingStep
from taskscape.training.step_result import StepResult
from taskscape.weighting.base import global_losses

_SIZE = (64, 96)
"""Height and width of the images with which networks are tried."""


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
        with record_function(PARTS[2]):
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
        recomputed = _RecomputedLosses(lambda: self._losses(batch, batches))
        for run, (step, (_, is_taken)) in enumerate(zip(self.steps, updates, strict=True)):
            if is_taken:
                step.adjust(lambda run=run: recomputed(run))  # type: ignore[misc]
        return [
            StepResult(context.global_losses, run_weights or {}, norm)
            for context, run_weights, (norm, _) in zip(contexts, weights, updates, strict=True)
        ]

    def _batches(self, batch: Batch) -> list[Batch]:
        return [_part(batch, run, len(self.steps)) for run in range(len(self.steps))]

    def _forward(self, batch: Batch) -> "_Outputs":
        images = batch.image.unflatten(0, (len(self.steps), -1))
        with record_function(PARTS[0]), autocast(images.device, self.steps[0].precision):
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
            gradients = self._networks.gradients(outputs, [run_losses[task] for run_losses in losses])
            for run, (run_losses, new_run_losses) in enumerate(zip(losses, new_losses, strict=True)):
                reached = [
                    (p, g[run]) for p, g in zip(self._networks.trained[run], gradients, strict=True) if g is not None
                ]
                new_run_losses[task] = _LossWithGradients.apply(
                    run_losses[task].detach(), [g for _, g in reached], *(p for p, _ in reached)
                )
        return new_losses


def require_stackable(networks: Sequence[Network]) -> None:
    """Raise ``ValueError`` with the remedy unless these networks, on torch's meta device, can be computed as one."""
    images = torch.zeros(len(networks), 2, 3, *_SIZE, device="meta")
    try:
        Networks(networks)(images)
    except RuntimeError as error:
        name, reason = type(networks[0]).__name__, " ".join(str(error).split()).partition(". ")[0]
        if "random" in reason:
            raise ValueError(
                f"{name} draws random numbers in training, which would not be those of each run alone; set its "
                "dropout to 0"
            ) from error
        raise ValueError(f"{name} cannot be computed by torch.vmap: {reason}; train its runs one by one") from error


class Networks:
    """Networks of the same settings as one: their tensors become views of tensors with an extra first axis."""

    def __init__(self, networks: Sequence[Network]) -> None:
        self._first = networks[0]
        self._slots: list[tuple[dict[str, Any], str, int]] = []
        """Where the first network holds its tensors, and the index of each; one tensor may be in several places."""
        self._tensors: list[Tensor] = []
        self.trained: list[list[nn.Parameter]] = [[] for _ in networks]
        """The trainable parameters of each network."""
        self._leaves: list[Tensor] = []
        """The tensors with the extra axis of which they are views."""
        numbers: dict[int, int] = {}
        for modules in zip(*(network.modules() for network in networks), strict=True):
            for attribute in ("_parameters", "_buffers"):
                for name, tensor in getattr(modules[0], attribute).items():
                    if tensor is None:
                        continue
                    if id(tensor) not in numbers:
                        numbers[id(tensor)] = len(self._tensors)
                        self._add([getattr(module, attribute)[name] for module in modules])
                    self._slots.append((getattr(modules[0], attribute), name, numbers[id(tensor)]))

    def _add(self, tensors: Sequence[Tensor]) -> None:
        joined = _joined(tensors)
        if tensors[0].requires_grad:
            joined.requires_grad_()
            self._leaves.append(joined)
            for trained, parameter in zip(self.trained, tensors, strict=True):
                assert isinstance(parameter, nn.Parameter)
                trained.append(parameter)
        self._tensors.append(joined)

    def __call__(self, images: Tensor) -> Outputs:
        """Return the outputs of the networks for images (networks, B, 3, H, W): maps with an extra first axis."""
        originals = [holder[name] for holder, name, _ in self._slots]
        try:
            with AsAlone():
                outputs: Outputs = torch.vmap(self._forward_one)(self._tensors, images)
            return outputs
        finally:
            for (holder, name, _), tensor in zip(self._slots, originals, strict=True):
                holder[name] = tensor

    def _forward_one(self, tensors: Sequence[Tensor], image: Tensor) -> Outputs:
        for holder, name, number in self._slots:
            holder[name] = tensors[number]
        return self._first.forward(image)  # __call__ would read values of the images

    def hand_out_gradients(self) -> None:
        """Give the parameters of each network their part of the gradients."""
        for leaf, *parameters in zip(self._leaves, *self.trained, strict=True):
            if leaf.grad is not None:
                for parameter, gradient in zip(parameters, leaf.grad.unbind(), strict=True):
                    parameter.grad = gradient
                leaf.grad = None

    def gradients(self, outputs: "_Outputs", losses: Sequence[Tensor]) -> list[Tensor | None]:
        """Return the gradients of one loss per network at its trainable parameters, each (networks, …)."""
        maps, map_gradients = outputs.gradients(losses)
        leaf_gradients = torch.autograd.grad(maps, self._leaves, map_gradients, retain_graph=True, allow_unused=True)
        return [
            None if x is None else _with_strides_of(x, leaf)
            for x, leaf in zip(leaf_gradients, self._leaves, strict=True)
        ]


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


class _RecomputedLosses:
    """The losses of each run after all runs have taken their step; computed for all runs at the first call."""

    def __init__(self, compute: Callable[[], list[dict[str, Tensor]]]) -> None:
        self._compute = compute
        self._losses: list[dict[str, Tensor]] | None = None

    def __call__(self, run: int) -> dict[str, Tensor]:
        if self._losses is None:
            self._losses = self._compute()
        return self._losses[run]


def _joined(tensors: Sequence[Tensor]) -> Tensor:
    """Return the tensors as one, (tensors, …), with their memory format, and make each a view of it."""
    first = tensors[0]
    shape, strides = (len(tensors), *first.shape), (first.numel(), *first.stride())
    joined = torch.empty_strided(shape, strides, dtype=first.dtype, device=first.device)
    for part, tensor in zip(joined.unbind(), tensors, strict=True):
        part.copy_(tensor.detach())
        tensor.data = part
    return joined


def _with_strides_of(x: Tensor, like: Tensor) -> Tensor:
    """Return a tensor with the strides of another, which fused optimizers require of gradients."""
    return x if x.stride() == like.stride() else torch.empty_like(like).copy_(x)


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
