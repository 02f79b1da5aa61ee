"""One number per task that makes its confidence true on validation images."""

import math
from collections.abc import Callable, Iterable, Mapping

import torch
from torch import Tensor

from taskscape.batch import Batch, Target
from taskscape.evaluation.evaluate import Forward
from taskscape.tasks import Task

PIXELS = 2**18
"""How many valid pixels of a task are enough, evenly spread over its images."""
LIMIT = 20.0
"""A spread lies between 1 / 20 and 20."""
_PRECISION = 1e-4
_GOLDEN = (math.sqrt(5) - 1) / 2


@torch.no_grad()
def calibrate(forward: Forward, tasks: Mapping[str, Task], batches: Iterable[Batch], images: int) -> dict[str, float]:
    """Return the spread of each task that says how sure it is: the one of the least negative log-likelihood.

    That is temperature scaling (Guo et al., ICML 2017, https://arxiv.org/abs/1706.04599) for classes, and the same of
    predicted widths. It changes no prediction. ``images`` is the number of images in the batches, from which at most
    ``PIXELS`` pixels are taken. A task without a valid pixel, or that says nothing, is left out.
    """
    sampled: dict[str, list[tuple[Tensor, Tensor]]] = {name: [] for name in tasks}
    for batch in batches:
        final = forward(batch.image).final
        for name, task in tasks.items():
            if task.distribution is not None:
                sampled[name] += _pixels(final[name], batch.targets[name], max(PIXELS // max(images, 1), 1))
    return {
        name: least(_mean_nll(tasks[name], *(torch.cat(parts, -1) for parts in zip(*found, strict=True))))
        for name, found in sampled.items()
        if found
    }


def _pixels(raw: Tensor, target: Target, count: int) -> list[tuple[Tensor, Tensor]]:
    """Return the raw output (1, C, 1, n) and the value of so many valid pixels of each image, evenly spread."""
    found = []
    for output, value, valid in zip(raw, target.value, target.valid, strict=True):
        where = valid.flatten().nonzero()[:, 0]
        if len(where):
            some = where[torch.linspace(0, len(where) - 1, min(count, len(where)), device=where.device).long()]
            values = value.flatten(-2)[..., some].unsqueeze(-2)
            found.append((output.float().flatten(1)[:, some][None, :, None], values[None]))
    return found


def _mean_nll(task: Task, raw: Tensor, value: Tensor) -> Callable[[float], float]:
    distribution = task.distribution
    assert distribution is not None
    target = Target(value, torch.ones((1, 1, raw.shape[-1]), dtype=torch.bool, device=raw.device))
    return lambda spread: distribution.nll(raw, target, spread).mean(dtype=torch.float32).item()


def least(function: Callable[[float], float]) -> float:
    """Return where a function of a spread is least, to 0.01 %, by golden sections of its logarithm; 1 if nowhere less.

    The function falls and then rises, as one that is convex in 1 / spread does.
    """
    low, high = -math.log(LIMIT), math.log(LIMIT)
    left, right = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
    at_left, at_right = function(math.exp(left)), function(math.exp(right))
    while high - low > _PRECISION:
        if at_left <= at_right:
            high, right, at_right = right, left, at_left
            left = high - _GOLDEN * (high - low)
            at_left = function(math.exp(left))
        else:
            low, left, at_left = left, right, at_right
            right = low + _GOLDEN * (high - low)
            at_right = function(math.exp(right))
    spread = math.exp((low + high) / 2)
    return spread if function(spread) < function(1.0) else 1.0
