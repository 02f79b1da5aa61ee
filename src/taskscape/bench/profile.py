"""How the time of a step is spent, as profiled by torch."""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import torch
from torch.autograd import DeviceType  # type: ignore[attr-defined]  # torch's stubs leave it out
from torch.autograd.profiler_util import FunctionEventAvg
from torch.profiler import ProfilerActivity, profile, record_function

from taskscape.batch import Batch
from taskscape.training.step import PARTS, TrainingStep

KINDS: Mapping[str, str] = {
    "convolutions": r"conv",
    "normalization": r"(batch|layer|group|instance|rms)_?norm",
    "copies and conversions": r"copy_|_to_copy|contiguous|clone",
    "activations": r"relu|threshold|gelu|silu|elu|sigmoid|hardtanh|hardswish|softmax|clamp",
    "resizing and pooling": r"upsample|pool|grid_sampl|_pad",
    "matrix products and attention": r"addmm|\bmm\b|bmm|matmul|linear|attention|einsum",
    "concatenation": r"\bcat\b|stack|slice|split",
    "sums and products": r"\b(add|mul|sub|div|sum|mean|rsub|pow|sqrt|addcmul|addcdiv|lerp|neg|abs)_?\b|_foreach|norm",
}
"""Kinds of torch operators, with patterns for their names; the first match counts."""
OTHER = "everything else"
STEPS = 3
"""Number of profiled steps, after one warm-up step."""


class Profile(NamedTuple):
    """Fractions of the time of a step, largest first; each dict sums to 1."""

    parts: dict[str, float]
    """Forward pass, losses, backward passes with the computations of the weighting, optimizer, and the rest."""
    kinds: dict[str, float]
    """Kinds of operators, as in ``KINDS``."""


def profiled(step: TrainingStep, batch: Batch) -> Profile:
    """Profile some steps on one batch; they train the network."""
    device = batch.image.device
    step(batch, 0)
    on_gpu = device.type == "cuda"
    activities = [ProfilerActivity.CPU] + ([ProfilerActivity.CUDA] if on_gpu else [])
    step_name = "step"
    with profile(activities=activities) as profiler:
        for index in range(STEPS):
            with record_function(step_name):
                step(batch, index)
                if on_gpu:
                    torch.cuda.synchronize(device)
    events = profiler.key_averages()
    totals = {event.key: event.device_time_total if on_gpu else event.cpu_time_total for event in events}
    parts = {part: totals[part] for part in PARTS if part in totals}
    parts["data of the step, checks and clipping"] = max(totals[step_name] - sum(parts.values()), 0.0)
    operators = [event for event in events if event.key not in (*PARTS, step_name)]
    return Profile(_shares(parts), _shares(by_kind(operators, on_gpu=on_gpu)))


def by_kind(events: Iterable[FunctionEventAvg], *, on_gpu: bool) -> dict[str, float]:
    """Return the microseconds of each kind of operators, on the GPU or on the processor.

    The kernels of a GPU are events too. They are left out, as the operators that launch them have their times.
    """
    kinds: defaultdict[str, float] = defaultdict(float)
    for event in events:
        if event.device_type == DeviceType.CPU:
            kinds[kind_of(str(event.key))] += event.self_device_time_total if on_gpu else event.self_cpu_time_total
    return kinds


def kind_of(operator: str) -> str:
    """Return the kind of a torch operator, such as ``convolutions`` for ``aten::mkldnn_convolution``."""
    return next((kind for kind, pattern in KINDS.items() if re.search(pattern, operator, re.IGNORECASE)), OTHER)


def _shares(times: Mapping[str, float]) -> dict[str, float]:
    total = sum(times.values()) or 1.0
    return {name: time / total for name, time in sorted(times.items(), key=lambda item: -item[1])}
