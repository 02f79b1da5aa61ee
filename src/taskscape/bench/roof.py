"""The time of a network's convolutions and matrix products alone, a lower bound for its training step."""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from taskscape.bench.graph import in_graph
from taskscape.evaluation.timing import now
from taskscape.progress import ProgressCallback
from taskscape.selfcheck.kinds import KERNELS
from taskscape.selfcheck.operators import Input, Operator, operators
from taskscape.training.precision import autocast

REPEATS = 3
FUNCTIONS = ("conv2d", "linear")
"""Functions that count like layers if a network calls them with computed weights."""


def roof(
    network: nn.Module,
    image: Tensor,
    report: ProgressCallback = lambda done, of: None,
    *,
    clock: Callable[[], float] | None = None,
) -> float:
    """Return the seconds of all convolutions and linear layers of a step on an image batch (B, 3, H, W).

    Each shape runs alone, forward and backward, in bf16 and in fp32, in the memory format of the network and with
    weights already in that precision; the faster of the two counts, multiplied by the network's calls of the layer.
    ``clock`` returns seconds, by default wall-clock time after the GPU has finished.
    """
    clock = clock or partial(now, image.device)
    all_operators = operators(network, image, lambda: autocast(image.device, "bf16"))
    kernels = [operator for operator in all_operators if _is_kernel(operator)]
    seconds = 0.0
    for done, operator in enumerate(kernels, 1):
        formats = (torch.bfloat16, torch.float32)
        seconds += operator.calls * min(_seconds(operator, dtype, image.device, clock) for dtype in formats)
        report(done, len(kernels))
    return seconds


def _is_kernel(operator: Operator) -> bool:
    return isinstance(operator.layer, KERNELS) or getattr(operator.function, "__name__", "") in FUNCTIONS


def _seconds(operator: Operator, dtype: torch.dtype, device: torch.device, clock: Callable[[], float]) -> float:
    """Return the shortest time of a forward and a backward pass."""
    forward = operator.forward(dtype=dtype)
    tensors = [_random_tensor(template, dtype, device) for template in operator.inputs]
    differentiable = [x for x in tensors if x.requires_grad]
    gradient = torch.ones_like(forward(tensors))

    def run_passes() -> None:
        output = forward(tensors)
        if differentiable:
            torch.autograd.grad(output, differentiable, gradient)

    if device.type == "cuda":
        return _seconds_of_kernels(run_passes, device)
    times = []
    for _ in range(1 + REPEATS):
        started = clock()
        run_passes()
        times.append(clock() - started)
    return min(times[1:])


def _seconds_of_kernels(call: Callable[[], None], device: torch.device) -> float:
    """Return the time of a call on a GPU."""
    replay = in_graph(call, device, REPEATS)
    replay()
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    start.record()
    for _ in range(REPEATS):
        replay()
    end.record()
    torch.cuda.synchronize(device)
    return float(start.elapsed_time(end)) / 1000 / REPEATS**2


def _random_tensor(template: Input, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Return random numbers in the shape and memory layout of an input."""
    x = torch.empty_strided(template.shape, template.stride, dtype=dtype, device=device)
    return x.uniform_(-1, 1).requires_grad_(template.requires_grad)
