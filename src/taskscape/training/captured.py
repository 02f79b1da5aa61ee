"""Training steps as CUDA graphs: the GPU gets a whole step at once and does not wait for the host to launch kernels."""

import logging
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor

from taskscape.batch import Batch, Target
from taskscape.models import Network
from taskscape.training.cuda_graphs import Graphs
from taskscape.training.step_result import StepResult

_LOGGER = logging.getLogger(__name__)

WARM_UP = 3
"""Steps of a kind that are taken before it is captured, so that libraries and optimizers have allocated their state."""
_MAX_GRAPHS = 4
"""Maximum number of captured kinds of steps; each keeps its own gradients and activations in memory."""

Take = Callable[[Batch, Sequence[str]], Sequence[StepResult]]
"""Takes a step, or one for each of several runs, on a batch for the losses of the named tasks."""

_NORM = "the norm of the gradient"


class CapturableStep(Protocol):
    """What is needed of a training step (``TrainingStep``) to capture it."""

    network: Network
    optimizer: torch.optim.Optimizer

    def prepare(self, step: int) -> None:
        """Set the seed and learning rate of a step, and drop the gradients of the previous step."""

    def state(self) -> Iterable[Tensor]:
        """Return all tensors that a step changes."""


class CapturedSteps:
    """Takes steps by replaying graphs of them, one graph for each set of tasks and batch shape.

    A graph repeats the work of the device with new images, labels, learning rates and random numbers. Python code does
    not run again, so a network or a loss that counts steps in Python would go wrong. Therefore, before a graph is used,
    two steps are taken with it and two without, from the same weights. If their results differ, or the host has to wait
    for the device within a step, all steps are taken without graphs, and the reason is logged.
    """

    def __init__(self, take: Take, steps: Sequence[CapturableStep], graphs: Graphs) -> None:
        """Capture nothing yet. ``take`` changes the state of ``steps``, the training steps of one run or of several."""
        self._take, self._steps, self._graphs = take, tuple(steps), graphs
        self._parameters = [parameter for step in steps for parameter in step.network.parameters()]
        self._times_seen: dict[_Kind, int] = {}
        self._captured: dict[_Kind, _CapturedStep] = {}
        self._addresses: list[int] = []
        """Addresses of the parameters when steps were captured."""
        self.refusal: str | None = None
        """The reason why steps are not captured; None while they are."""

    def __call__(self, batch: Batch, names: Sequence[str], numbers: Sequence[int]) -> Sequence[StepResult]:
        """Take a step of each run, all of which are prepared; ``numbers`` are the numbers of these steps."""
        if self.refusal is not None:
            return self._take(batch, names)
        if (addresses := [parameter.data_ptr() for parameter in self._parameters]) != self._addresses:
            self._addresses = addresses  # a stack of runs moves them, and graphs would train the old addresses
            self._captured.clear()
        kind = _Kind.of(batch, names)
        if kind not in self._captured:
            times_seen = self._times_seen[kind] = self._times_seen.get(kind, 0) + 1
            if times_seen <= WARM_UP or len(self._captured) == _MAX_GRAPHS:
                return self._take(batch, names)
            try:
                self._captured[kind] = self._capture(batch, names, numbers)
            except RuntimeError as error:
                self.refusal = str(error).partition("\n")[0]
            self._prepare(numbers)
            if self.refusal is not None:
                _LOGGER.warning("steps are not captured as CUDA graphs, and take longer: %s", self.refusal)
                return self._take(batch, names)
            _LOGGER.info("steps are CUDA graphs from here on (%s)", kind)
        return self._captured[kind](batch)

    def _prepare(self, numbers: Sequence[int]) -> None:
        for step, number in zip(self._steps, numbers, strict=True):
            step.prepare(number)

    def _capture(self, batch: Batch, names: Sequence[str], numbers: Sequence[int]) -> "_CapturedStep":
        """Return the graph of such a step, and leave the state unchanged.

        Raises ``RuntimeError`` if the step cannot be captured, or if its graph gives different results.
        """
        state = [x for step in self._steps for x in step.state()]
        saved = [x.clone() for x in state]

        def restore() -> None:
            self._prepare(numbers)
            torch._foreach_copy_(state, saved)

        try:
            plain = []
            for _ in range(2):
                self._prepare(numbers)
                plain.append(self._graphs.warm_up(lambda: _flat(self._take(batch, names))[1]))
            restore()
            captured = _CapturedStep(self._take, batch, names, [step.optimizer for step in self._steps], self._graphs)
            for index, expected in enumerate(plain):
                self._prepare(numbers)
                _compare(captured.values(batch), expected, captured.layout, index)
            return captured
        finally:
            restore()


class _CapturedStep:
    """The graph of a step, with its input tensors."""

    def __init__(
        self,
        take: Take,
        batch: Batch,
        names: Sequence[str],
        optimizers: Sequence[torch.optim.Optimizer],
        graphs: Graphs,
    ) -> None:
        self._batch = Batch(
            batch.image.clone(),
            {name: Target(*(x.clone() for x in target)) for name, target in batch.targets.items()},
            batch.indices.clone(),
        )
        self._optimizers = optimizers
        self._rates = [torch.tensor(group["lr"], device=batch.image.device) for group in _groups(optimizers)]
        self.layout: _Layout = []

        def call() -> Tensor:
            self.layout, values = _flat(take(self._batch, names))
            return values

        with _capturable(optimizers, self._rates):
            self._replay = graphs.capture(call)

    def __call__(self, batch: Batch) -> list[StepResult]:
        """Take a step."""
        values = iter(self.values(batch).unbind())
        return [
            StepResult({name: next(values) for name in losses}, {name: next(values) for name in weights}, next(values))
            for losses, weights in self.layout
        ]

    def values(self, batch: Batch) -> Tensor:
        """Take a step and return its scalars."""
        for static, value in zip(_tensors(self._batch), _tensors(batch), strict=True):
            static.copy_(value, non_blocking=True)
        for rate, group in zip(self._rates, _groups(self._optimizers), strict=True):
            rate.fill_(group["lr"])
        return self._replay().clone()


class _Kind(NamedTuple):
    """The key of a graph: tasks, and the shape, strides and type of each tensor of a batch."""

    tasks: tuple[str, ...]
    tensors: tuple[tuple[torch.Size, tuple[int, ...], torch.dtype], ...]

    @classmethod
    def of(cls, batch: Batch, names: Sequence[str]) -> "_Kind":
        return cls(tuple(names), tuple((x.shape, x.stride(), x.dtype) for x in _tensors(batch)))

    def __str__(self) -> str:
        images, *_ = self.tensors
        return f"{'×'.join(map(str, images[0]))}, {', '.join(self.tasks)}"


_Layout = list[tuple[tuple[str, ...], tuple[str, ...]]]
"""For each result, the tasks that have a loss and those that have a weight."""


def _flat(results: Sequence[StepResult]) -> tuple[_Layout, Tensor]:
    """Return the layout of results, and their scalars in one tensor."""
    layout = [(tuple(result.losses), tuple(result.weights)) for result in results]
    return layout, torch.stack([x.detach().float() for result in results for x in result.scalars()])


def _compare(actual: Tensor, expected: Tensor, layout: _Layout, step: int) -> None:
    """Raise ``RuntimeError`` if the step of a graph gives different numbers.

    The losses of the first step come from equal weights. Everything else depends on gradients, which a GPU sums in no
    fixed order: in bf16, the norms of two gradients of the same network have differed by a tenth.
    """
    names = [
        name
        for losses, weights in layout
        for name in (*(f"the loss of {x}" for x in losses), *(f"the weight of {x}" for x in weights), _NORM)
    ]
    for name, x, y in zip(names, actual.tolist(), expected.tolist(), strict=True):
        tolerance = 0.5 if name == _NORM else 0.05 if step else 1e-3
        if not (math.isclose(x, y, rel_tol=tolerance, abs_tol=1e-6) or (math.isnan(x) and math.isnan(y))):
            raise RuntimeError(
                f"{name} is {x:.6g} with the graph and {y:.6g} without. Something that changes from step to step is "
                "kept in Python, such as a count of steps in a network or a loss; keep it in a tensor that changes in "
                "place"
            )


def _tensors(batch: Batch) -> Iterator[Tensor]:
    yield batch.image
    for target in batch.targets.values():
        yield from target
    yield batch.indices


def _groups(optimizers: Sequence[torch.optim.Optimizer]) -> list[dict[str, Any]]:
    return [group for optimizer in optimizers for group in optimizer.param_groups]


@contextmanager
def _capturable(optimizers: Sequence[torch.optim.Optimizer], rates: Sequence[Tensor]) -> Iterator[None]:
    """Let optimizers read their learning rates from tensors, and mark their steps as capturable."""
    groups = _groups(optimizers)
    originals = [dict(group) for group in groups]
    for group, rate in zip(groups, rates, strict=True):
        group["lr"] = rate
        if "capturable" in group:
            group["capturable"] = True
    try:
        yield
    finally:
        for group, original in zip(groups, originals, strict=True):
            group.update(original)
