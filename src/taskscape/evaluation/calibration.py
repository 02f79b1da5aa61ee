"""Calibration: one number per task that fits its confidence to the errors on validation images."""

import math
from collections.abc import Callable, Iterable, Mapping

import torch
from torch import Tensor

from taskscape.batch import Batch, Target
from taskscape.evaluation.evaluator import Forward, require_evaluation_mode
from taskscape.tasks import Task

PIXELS = 2**18
"""Maximum number of valid pixels used per task, evenly spread over its images."""
LIMIT = 20.0
"""Spreads are limited to 1 / 20 to 20."""
_PRECISION = 1e-4
_GOLDEN = (math.sqrt(5) - 1) / 2


@torch.no_grad()
def calibrate(forward: Forward, tasks: Mapping[str, Task], batches: Iterable[Batch], images: int) -> dict[str, float]:
    """Return the spread of each task with a confidence: the one with the least negative log-likelihood.

    For classes this is temperature scaling (Guo et al., ICML 2017, https://arxiv.org/abs/1706.04599); for other tasks
    it scales the predicted widths in the same way. Predictions do not change. ``images`` is the number of images in the
    batches, from which about ``PIXELS`` pixels are used. Tasks without a valid pixel or a confidence are left out.
    Raises ``ValueError`` for a network in training mode.
    """
    require_evaluation_mode(forward)
    sampled: dict[str, list[tuple[Tensor, Tensor]]] = {name: [] for name in tasks}
    for batch in batches:
        final = forward(batch.image).final
        for name, task in tasks.items():
            if task.distribution is not None:
                sampled[name] += _pixels(final[name], batch.targets[name], max(PIXELS // max(images, 1), 1))
    return {
        name: least(_mean_nll(tasks[name], *(torch.cat(parts, -1) for parts in zip(*pixels, strict=True))))
        for name, pixels in sampled.items()
        if pixels
    }


def _pixels(raw: Tensor, target: Target, count: int) -> list[tuple[Tensor, Tensor]]:
    """Return the raw output (1, C, 1, n) and the value of up to ``count`` valid pixels per image, evenly spread."""
    samples = []
    for output, value, valid in zip(raw, target.value, target.valid, strict=True):
        pixels = valid.flatten().nonzero()[:, 0]
        if len(pixels):
            last = len(pixels) - 1
            positions = torch.linspace(0, last, min(count, len(pixels)), device=pixels.device).long()
            chosen = pixels[positions.clamp_max(last)]  # float32 rounds numbers above 2²⁴ up
            values = value.flatten(-2)[..., chosen].unsqueeze(-2)
            samples.append((output.float().flatten(1)[:, chosen][None, :, None], values[None]))
    return samples


def _mean_nll(task: Task, raw: Tensor, value: Tensor) -> Callable[[float], float]:
    distribution = task.distribution
    assert distribution is not None
    target = Target(value, torch.ones((1, 1, raw.shape[-1]), dtype=torch.bool, device=raw.device))
    return lambda spread: distribution.nll(raw, target, spread).mean(dtype=torch.float32).item()


def least(function: Callable[[float], float]) -> float:
    """Return the spread that minimizes a function, to 0.01 %, by golden-section search in its logarithm.

    Returns 1 if the minimum is not below the value at 1. The function must fall and then rise, as functions that are
    convex in 1 / spread do.
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
