"""Whether bfloat16 is faster than float32 on this machine.

Processors without instructions for bfloat16, such as those with AVX2 only, and older GPUs compute it by way of float32,
which can take ten times as long.
"""

from collections.abc import Callable
from functools import cache, partial
from time import thread_time

import torch
from torch import nn

from taskscape.evaluation import seconds_of
from taskscape.machine import MachineCache, machine
from taskscape.training.precision import Precision, autocast

_ROUNDS = 3


def faster_precision(device: torch.device) -> Precision:
    """Return bf16 if this device computes convolutions faster in it than in fp32, otherwise fp32."""
    return "fp32" if slow_bf16(device) else "bf16"


def slow_bf16(device: torch.device) -> str:
    """Return a sentence if bf16 is slower than fp32 on this device, without a full stop; "" if it is faster."""
    slowdown = bf16_slowdown(device)
    if slowdown == float("inf"):
        return "this device has no bf16"
    return f"bf16 takes {slowdown:.1f} times as long as fp32 on this machine" if slowdown > 1 else ""


@cache
def bf16_slowdown(device: torch.device) -> float:
    """Return the time of a convolution in bf16 as a multiple of that in fp32, forward and backward.

    It is timed once per machine and kept; below 1, bf16 is faster. Of an NVIDIA GPU it is 0, or infinity if torch says
    that the GPU has no bfloat16, since a single convolution would not occupy it.
    """
    if device.type == "cuda":
        with torch.cuda.device(device):
            return 0.0 if torch.cuda.is_bf16_supported(including_emulation=False) else float("inf")
    kept = MachineCache("bf16", machine(device))
    slowdown = kept.load().get("slowdown")
    if not isinstance(slowdown, float):
        slowdown = _measured(device)
        kept.add({"slowdown": slowdown})
    return slowdown


def _measured(device: torch.device) -> float:
    calls = {"fp32": _convolution(device, "fp32"), "bf16": _convolution(device, "bf16")}
    # Of a CPU, the processor time: with other work on the machine, a single long wait would otherwise decide.
    clock = thread_time if device.type == "cpu" else None
    try:
        seconds = seconds_of(calls, device, rounds=_ROUNDS, warm_up=1, at_most=2, clock=clock)
    except RuntimeError:  # such as that of a device without this type
        return float("inf")
    return seconds["bf16"] / seconds["fp32"]


def _convolution(device: torch.device, precision: Precision) -> Callable[[], object]:
    """Return a function that computes a 3x3 convolution of 64 channels, forward and backward, at this precision."""
    generator = torch.Generator().manual_seed(0)
    weight = nn.Parameter(torch.randn(64, 64, 3, 3, generator=generator).to(device))
    image = torch.randn(8, 64, 64, 64, generator=generator).to(device, memory_format=torch.channels_last)
    return partial(_forward_and_backward, weight, image.requires_grad_(), precision)


def _forward_and_backward(weight: nn.Parameter, image: torch.Tensor, precision: Precision) -> float:
    with torch.enable_grad(), autocast(image.device, precision):
        output = nn.functional.conv2d(image, weight, padding=1)
    gradient = torch.autograd.grad(output.float().square().mean(), (weight, image))[0]
    return gradient.sum().item()  # waits for the device
